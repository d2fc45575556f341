"""What `make` and `.ci/run` promise on a bare machine."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def script(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/bash\n{text}\n")
    (folder / name).chmod(0o755)


def set_up(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """`.ci/venv` on a machine whose only pythons are those in `tmp_path`/bin."""
    for name in ("bash", "env", "rm"):
        script(tmp_path / "bin", name, f'exec /usr/bin/{name} "$@"')
    environment = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}
    program = ["/bin/bash", ROOT / ".ci" / "venv", tmp_path / "venv"]
    return subprocess.run(program, env=environment, capture_output=True, text=True)


def test_an_old_python_is_passed_over_and_its_absence_explained(tmp_path):
    """Without Python 3.11 or later, set-up says which one was found and what to install."""
    script(tmp_path / "bin", "python3", '[[ $1 == --version ]] && echo "Python 3.9.2"; exit 1')
    seen = set_up(tmp_path)
    assert seen.returncode == 1
    assert "no Python 3.11 or later" in seen.stderr
    assert "Python 3.9.2" in seen.stderr
    assert "apt-get install python3" in seen.stderr


def test_a_missing_python3_venv_is_explained(tmp_path):
    """Debian's Python without python3-venv ends in one message that names the package."""
    answers = 'case "$2" in *ensurepip*) exit 1;; *version_info\\ \\<*) exit 0;; *) echo 3.11;; esac'
    script(tmp_path / "bin", "python3", answers)
    seen = set_up(tmp_path)
    assert seen.returncode == 1
    assert "apt-get install python3-venv" in seen.stderr
    assert "python3.11-venv" in seen.stderr
    assert not (tmp_path / "venv").exists()


def test_a_later_python_is_found_under_its_own_name(tmp_path):
    """When python3 is too old, python3.11 and later are tried by name, and asked to make the environment."""
    script(tmp_path / "bin", "python3", "exit 1")
    script(
        tmp_path / "bin", "python3.12", f'[[ $1 == -m ]] && echo "$@" > {tmp_path}/made; echo "/x/python3.12 3.12.1"'
    )
    assert set_up(tmp_path).returncode == 0
    assert (tmp_path / "made").read_text().split() == ["-m", "venv", str(tmp_path / "venv")]


def test_a_failed_install_shows_what_pip_said(tmp_path):
    """Set-up is quiet, but a failure shows pip's own words and where all of them are."""
    script(tmp_path / "bin", "python", 'echo "WARNING: harmless"; echo "ERROR: no such wheel" >&2; exit 1')
    (tmp_path / "lock.txt").write_text("apsw==1 \\\n")
    seen = subprocess.run([ROOT / ".ci" / "install", tmp_path, tmp_path / "lock.txt"], capture_output=True, text=True)
    assert seen.returncode == 1
    assert "ERROR: no such wheel" in seen.stderr
    assert "harmless" not in seen.stderr
    assert "install.log" in seen.stderr


@pytest.mark.parametrize("target", ["demo", "test", "lint", "bench", "torture", "lock", "clean"])
def test_make_help_names_every_target(target):
    """`make help` says what each target does."""
    seen = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"  make {target} " in seen.stdout


def test_ci_runs_what_a_developer_runs():
    """`.ci/run` is `make test`, from whatever folder it is called, and nothing else."""
    lines = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if line.startswith(("exec", "make"))] == ["exec make test"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
