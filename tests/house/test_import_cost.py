"""What importing Milepost loads, and what it costs, seen in fresh interpreters."""

import json
import pkgutil
import subprocess
import sys

import pytest

import milepost
import milepost.model

LOADED = "import sys, json; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"


def loaded_after(statement: str) -> set[str]:
    """The top-level modules, not of the standard library, that a fresh interpreter has after `statement`."""
    return outside(f"{statement}\n{LOADED}") - outside(LOADED) - {"typing_extensions"}  # msgspec's, when it is there


def outside(program: str) -> set[str]:
    seen = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(seen.stdout.splitlines()[-1])) - set(sys.stdlib_module_names)


def test_import_milepost_loads_the_standard_library_and_msgspec_only():
    """`import milepost` loads nothing but itself, the standard library and msgspec."""
    assert loaded_after("import milepost") <= {"milepost", "msgspec"}


def test_declaring_a_process_loads_no_engine():
    """`from milepost import …` of all that a process file needs loads only msgspec, and hashes at most."""
    statement = "from milepost import File, Meta, Process, Run, Stage, stage"
    assert loaded_after(statement) <= {"milepost", "msgspec", "xxhash", "blake3"}


def test_the_model_knows_no_engine():
    """Every module of the model together load only the standard library, msgspec and the two hashes."""
    names = [module.name for module in pkgutil.walk_packages(milepost.model.__path__, "milepost.model.")]
    assert len(names) > 5
    statement = "\n".join(f"import {name}" for name in names)
    assert loaded_after(statement) <= {"milepost", "msgspec", "xxhash", "blake3"}


def test_help_loads_neither_engine_nor_data_libraries():
    """`milepost --help` needs click and ourselves: no SQLite, no frames, no process machinery."""
    statement = "from milepost.cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    assert loaded_after(statement) <= {"milepost", "msgspec", "click", "colorama"}


def test_the_runner_does_not_bring_what_it_may_not_need():
    """Loading the engine of a run does not load libraries that only some processes, or only a terminal, need."""
    program = "import sys, milepost.process.runner, milepost.store.sqlite, milepost.executors; print(*sys.modules)"
    seen = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"numpy", "pandas", "polars", "pyarrow", "rich", "asyncio", "multiprocessing", "click"}
    assert heavy & set(seen.stdout.split()) == set()


def test_import_milepost_loads_few_modules():
    """`import milepost` loads at most 40 modules that a bare interpreter has not; a benchmark tells the time."""
    program = "import sys; before = set(sys.modules)\nimport milepost\nprint(*(set(sys.modules) - before))"
    seen = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = seen.stdout.split()
    assert "milepost" in loaded
    assert len(loaded) <= 40, sorted(loaded)


def test_all_exported_names_are_there():
    """What the package says it exports is what a process file can import, no more."""
    assert sorted(milepost.__all__) == milepost.__all__
    assert set(milepost.__all__) == set(milepost._HOMES)
    for name in milepost.__all__:
        assert getattr(milepost, name) is not None
        assert name in dir(milepost)
    with pytest.raises(AttributeError, match="no attribute 'Stages'"):
        milepost.Stages  # noqa: B018
