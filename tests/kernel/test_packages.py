"""Versions of installed packages, by the names under which they are imported."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

from milepost.kernel.packages import version_of


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "lib" / "site-packages"
    folder.mkdir(parents=True)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def install(site, name: str, version: str, **files: str) -> None:
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir()
    for file, text in files.items():
        (folder / file.replace("_txt", ".txt")).write_text(text)


@pytest.mark.parametrize("package", ["msgspec", "numpy", "apsw", "pytest", "click"])
def test_versions_are_those_of_the_metadata(package):
    """What we read from names of folders is what importlib.metadata says."""
    assert version_of(package) == importlib.metadata.version(package)


def test_names_are_compared_as_installers_do(site):
    """Case, dots, dashes and underscores do not count; versions may have letters."""
    install(site, "My_Tool.Box", "1.0rc1+cu118")
    assert version_of("my_tool_box") == "1.0rc1+cu118"


def test_a_package_imported_under_another_name(site):
    """What a package brings is read from its list of files when its name does not tell."""
    install(site, "Pillowcase", "10.1", top_level_txt="PILC\n")
    install(site, "scikit_else", "2.0", RECORD="sklelse/__init__.py,sha256=x,1\nscikit_else-2.0.dist-info/METADATA,,\n")
    assert version_of("PILC") == "pillowcase 10.1"
    assert version_of("sklelse") == "scikit-else 2.0"


def test_packages_that_share_a_namespace_count_together(site):
    """Any of them may be the one that is used."""
    install(site, "spaced-one", "1", RECORD="spaced/one.py,,\n")
    install(site, "spaced-two", "2", RECORD="spaced/two.py,,\n")
    assert version_of("spaced") == "spaced-one 1, spaced-two 2"


def test_an_upgrade_is_seen(site):
    """Another version in the same process is another answer."""
    install(site, "shifting", "1.0")
    assert version_of("shifting") == "1.0"
    (site / "shifting-1.0.dist-info").rename(site / "shifting-1.1.dist-info")
    assert version_of("shifting") == "1.1"


def test_a_package_without_metadata(site, monkeypatch):
    """Its own `__version__` is the last resort, None the answer when nothing is known."""
    assert version_of("nobody_knows_this") is None
    (site / "bare.py").write_text("__version__ = '7'")
    import bare

    assert version_of("bare") == "7"
    monkeypatch.delitem(sys.modules, bare.__name__)


def test_importlib_metadata_is_not_imported():
    """It would cost more than a whole plan."""
    code = (
        "import sys; from milepost.kernel.packages import version_of; version_of('numpy'); version_of('PIL')\n"
        "assert 'importlib.metadata' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
