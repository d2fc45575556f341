"""The address of a database holds a password: no text that this program makes shows it."""

import io
import logging
import pickle
import subprocess
import sys
import traceback

import pytest

from milepost.datasets import make_data_manager
from milepost.errors import DataSetError, MissingExtra

SECRET = "s3cr3t-hunter2"
ADDRESSES = [
    f"postgresql+psycopg://ada:{SECRET}@127.0.0.1:9/sales",
    f"postgresql+psycopg://ada@127.0.0.1:9/sales?password={SECRET}",
    f"postgresql+psycopg://ada:{SECRET}@host.invalid/sales?sslpassword={SECRET}",
    f"postgresql+psycopg://ada:x@{SECRET}@127.0.0.1:9/sales",
    f"postgresql+psycopg://ada:{SECRET}@127.0.0.1:port/sales",
    f"postgresql+psycopg://ada:{SECRET}@127.0.0.1:9/sales?nonsense=1",
    f"nosuchdb://ada:{SECRET}@127.0.0.1/sales",
    f"oracle+oracledb://ada:{SECRET}@127.0.0.1/sales",
    f"ada:{SECRET}@127.0.0.1/sales",
    f"://ada:{SECRET}@x",
]


def everything_said(address):
    """All texts that come of a try: of the error, its traceback with causes and locals, the log, the objects."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.DEBUG)
    try:
        manager = make_data_manager({"db_url": address, "use_db": True})
        stream.write(f"{manager!r} {manager} {vars(manager)} {vars(manager._source)} {manager._source._database!r}")
        manager.connect()
    except (DataSetError, MissingExtra) as error:
        logging.getLogger("x").exception("failed")
        stream.write(f"{error!r} {error.details} {''.join(traceback.format_exception(error))}")
        cause = error
        while (cause := cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)) is not None:
            stream.write(f"{cause!r} {vars(cause)}")
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger().setLevel(logging.WARNING)
    return stream.getvalue()


@pytest.mark.parametrize("address", ADDRESSES, ids=range(len(ADDRESSES)))
def test_no_error_repr_or_log_shows_it(address):
    """Wrong, unreachable, malformed, of an unknown kind, without its driver: never the password."""
    said = everything_said(address)
    assert "Error" in said or "MissingExtra" in said
    assert SECRET not in said
    assert "hunter2" not in said


def test_short_passwords_are_not_shown_either():
    """Those too short to be masked everywhere are in no text of ours."""
    said = everything_said("postgresql+psycopg://ada:zq@127.0.0.1:9/sales")
    assert "refused" in said
    assert "zq" not in said


def test_values_are_in_no_error(tmp_path):
    """What was to be stored is not repeated by the refusal of a database."""
    card = "4111" * 4
    with make_data_manager({"db_url": f"sqlite:///{tmp_path}/x.db", "use_db": True}) as data:
        with pytest.raises(DataSetError) as caught:
            data.save_data("x", [{"v": 2**80, "card": card}])
    assert card not in "".join(traceback.format_exception(caught.value))


def test_a_data_manager_of_a_database_is_not_pickled():
    """It would carry the password into files of results: the error says what to do instead."""
    data = make_data_manager({"db_url": f"postgresql+psycopg://ada:{SECRET}@h/x", "use_db": True})
    with pytest.raises(TypeError, match="make it where it is used"):
        pickle.dumps(data)


def test_settings_do_not_show_it(tmp_path, monkeypatch):
    """Also without use_db, where the address is not used."""
    data = make_data_manager({"db_url": ADDRESSES[0], "output_dir": tmp_path})
    assert SECRET not in f"{data!r} {data._source._settings!r}"
    assert SECRET not in repr(pickle.dumps(data))


WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from milepost.datasets import make_data_manager
from milepost.errors import MilepostError
"""


def without(blocked, program, folder):
    """What a program prints where some libraries are not installed."""
    text = WITHOUT.format(blocked=set(blocked)) + program
    seen = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, cwd=folder, check=True)
    return seen.stdout.splitlines()


def test_without_any_library_records_of_csv_and_json_work(tmp_path):
    """No pandas, polars, pyarrow, numpy, SQLAlchemy: records are what loading gives."""
    program = """
data = make_data_manager()
for form in ("csv", "json", "jsonl"):
    data.save_data(form, [{"id": 1, "who": "ada", "net": None}], format=form)
    print(data.load_data(form), list(data.load_data(form, chunks=5, columns=["who"])))
"""
    expected = "[{'id': 1, 'who': 'ada', 'net': None}] [[{'who': 'ada'}]]"
    assert [expected] * 3 == without(["pandas", "polars", "pyarrow", "numpy", "sqlalchemy"], program, tmp_path)


def test_an_absent_library_is_named_with_its_command(tmp_path):
    """Each of them, where it is needed and not before."""
    program = """
def said(call):
    try:
        call()
    except MilepostError as error:
        print(type(error).__name__, error)

data = make_data_manager()
data.save_data("x", [{"id": 1}])
said(lambda: data.load_data("x", as_="pandas"))
said(lambda: data.save_data("y", [{"id": 1}], format="parquet"))
said(lambda: make_data_manager({"db_url": "sqlite:///x.db"}, use_db=True))
"""
    lines = without(["pandas", "pyarrow", "sqlalchemy"], program, tmp_path)
    assert [
        "MissingExtra loading as_='pandas' needs pandas, which is not installed: pip install 'milepost[frames]'",
        "MissingExtra saving Parquet needs pyarrow, which is not installed: pip install 'milepost[frames]'",
        "MissingExtra use_db=True needs sqlalchemy, which is not installed: pip install 'milepost[db]'",
    ] == lines
    assert ["x.csv"] == [path.name for path in (tmp_path / "output").iterdir()]


def test_an_absent_driver_is_named(tmp_path):
    """SQLAlchemy is there, what it needs for that database is not."""
    program = """
try:
    make_data_manager({"db_url": "postgresql+psycopg://h/x"}, use_db=True).connect()
except MilepostError as error:
    print(type(error).__name__, error)
"""
    (line,) = without(["psycopg"], program, tmp_path)
    assert "MissingExtra" in line
    assert "pip install psycopg" in line


def test_importing_the_room_loads_no_library():
    """It costs the standard library and msgspec."""
    program = "import sys, milepost.datasets; print(*sys.modules)"
    seen = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"numpy", "pandas", "polars", "pyarrow", "sqlalchemy", "xxhash", "blake3", "apsw"}
    assert set() == heavy & set(seen.stdout.split())
