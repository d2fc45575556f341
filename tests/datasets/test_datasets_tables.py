"""Tables of a real database: what goes round, all or nothing, names that are no SQL."""

import datetime
import os
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from uuid import UUID

import pandas
import polars
import pytest
import sqlalchemy
from pandas.testing import assert_frame_equal

from milepost.datasets import make_data_manager
from milepost.errors import DataSetError, UnknownDataSetError

pytestmark = pytest.mark.xdist_group("databases")  # one server for all


@pytest.fixture
def data(address):
    with make_data_manager({"db_url": address}, use_db=True) as data:
        yield data


@pytest.fixture
def sql(address):
    """Run a statement as somebody else would."""
    engine = sqlalchemy.create_engine(address)

    def run(text):
        with engine.begin() as connection:
            found = connection.execute(sqlalchemy.text(text))
            return found.fetchall() if found.returns_rows else None

    yield run
    engine.dispose()


def records():
    return [
        {"id": 1, "big": 2**62, "net": 0.1 + 0.2, "late": True, "who": "é'\"; --\n", "raw": b"\xff\0",
         "at": datetime.datetime(2026, 1, 2, 3, 4, 5, 678), "day": datetime.date(2026, 1, 2), "tags": {"a": [1]},
         "key": UUID(int=7), "hour": datetime.time(3, 4)},
        {"id": 2, "big": None, "net": None, "late": None, "who": None, "raw": None, "at": None, "day": None,
         "tags": None, "key": None, "hour": None},
    ]  # fmt: skip


def test_records_go_round(data, address):
    """Every plain type, and None in each; SQLite has the text of a UUID."""
    data.save_data("orders", records())
    first, second = data.load_data("orders", as_="records")
    assert UUID(int=7) == (UUID(first["key"]) if address.startswith("sqlite") else first["key"])
    assert records() == [{**first, "key": UUID(int=7)}, second]


def test_a_pandas_frame_goes_round(data):
    """Numbers, truth values, text and moments have their types again; a named index is a column."""
    frame = pandas.DataFrame({
        "id": [1, 2], "net": [1.5, None], "late": [True, False], "who": ["a", None],
        "at": pandas.to_datetime(["2026-01-01T00:00:00.123456", "2026-06-01"], format="ISO8601").as_unit("us"),
    })  # fmt: skip
    data.save_data("x", frame)
    assert_frame_equal(frame, data.load_data("x"))
    data.save_data("x", frame.set_index("who"))
    assert {"id", "net", "late", "who", "at"} == set(data.load_data("x").columns)


def test_a_polars_frame_goes_round(data):
    """The same, in polars."""
    frame = polars.DataFrame({"id": [1, 2], "net": [1.5, None], "who": ["a", None], "late": [True, None]})
    data.save_data("x", frame)
    assert frame.equals(data.load_data("x", as_="polars"), null_equal=True)


def test_whole_numbers_beside_gaps_stay_exact_in_records_and_polars(data):
    """pandas makes floats of them; what a database holds exactly can be loaded exactly."""
    rows = [{"id": 2**53 + 1}, {"id": None}]
    data.save_data("x", rows)
    assert rows == data.load_data("x", as_="records") == data.load_data("x", as_="polars").to_dicts()


def test_decimals(data, address):
    """Exact in PostgreSQL; SQLite, which has none, keeps their text."""
    data.save_data("x", [{"v": Decimal("1.10")}])
    expected = "1.10" if address.startswith("sqlite") else Decimal("1.10")
    assert [{"v": expected}] == data.load_data("x", as_="records")


def test_time_zones(data, address):
    """PostgreSQL keeps the moment; SQLite, which would lose the zone without a word, is not given it."""
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    if address.startswith("sqlite"):
        with pytest.raises(DataSetError, match="'at' has a time zone"):
            data.save_data("x", [{"at": at}])
    else:
        data.save_data("x", [{"at": at}])
        assert [{"at": at}] == data.load_data("x", as_="records")


def test_tables_that_others_made(data, sql):
    """Types of theirs, names in need of quotes, views, the order of the primary key."""
    sql('CREATE TABLE "Select % Orders" (id INTEGER PRIMARY KEY, "a b%(c)s" VARCHAR(10), price DECIMAL(10, 2))')
    sql("""INSERT INTO "Select % Orders" VALUES (3, 'c', 1.5), (1, 'a', 2.5), (2, NULL, NULL)""")
    sql('CREATE VIEW dear AS SELECT id FROM "Select % Orders" WHERE price > 2')
    assert {"Select % Orders": "table", "dear": "view"} == {each.name: each.format for each in data.list_data()}
    assert [1, 2, 3] == list(data.load_data("Select % Orders")["id"])
    assert [1.5, None, 2.5] == sorted(
        [None if one is None else float(one) for one in data.load_data("Select % Orders", as_="polars")["price"]],
        key=lambda one: 2 if one is None else one,
    )
    assert [{"id": 1}] == data.load_data("dear", as_="records")
    data.save_data("Select % Orders", [{"id": 9, "a b%(c)s": "new", "price": 3}])
    assert [(9, "new")] == [(row["id"], row["a b%(c)s"]) for row in data.load_data("Select % Orders", as_="records")]
    with pytest.raises(DataSetError, match="is a view"):
        data.save_data("dear", [{"id": 1}])


def test_a_name_is_never_sql(data, sql):
    """What looks like SQL is a name: it is not found, or becomes a table of that name."""
    data.save_data("orders", [{"id": 1}])
    for name in ("orders; DROP TABLE orders", 'orders" --', "orders' OR '1'='1", "(SELECT 1)", "%s", ":name"):
        with pytest.raises(UnknownDataSetError):
            data.load_data(name)
        with pytest.raises(DataSetError, match="no column"):
            data.load_data("orders", columns=[name])
        data.save_data(name, [{name: 1}])
        assert [{name: 1}] == data.load_data(name, as_="records")
    assert [{"id": 1}] == data.load_data("orders", as_="records")


def test_unknown_tables_and_columns_are_told_those_that_exist(data):
    """With the nearest."""
    data.save_data("orders", [{"id": 1, "net": 2}])
    with pytest.raises(UnknownDataSetError, match=r"'oders'.*Did you mean 'orders'\? There are: orders\."):
        data.load_data("oders")
    with pytest.raises(DataSetError, match=r"no column 'nett'. Did you mean 'net'\? There are: id, net\."):
        data.load_data("orders", columns=["nett"])
    assert not data.has("oders")
    with pytest.raises(DataSetError, match="has no file"):
        data.path("orders")
    with pytest.raises(DataSetError, match="no path"):
        data.load_data("a/b")


@pytest.mark.parametrize("form", ["pandas", "polars", "records"])
@pytest.mark.parametrize(("rows", "sizes"), [(10, [4, 4, 2]), (8, [4, 4]), (0, [0])])
def test_chunks_are_the_whole(data, form, rows, sizes):
    """Pieces of the size asked for, from one moment of the table."""
    data.save_data("x", polars.DataFrame({"id": range(rows), "v": ["w"] * rows}))
    pieces = data.load_data("x", as_=form, chunks=4, columns=["id"])
    assert sizes == [len(piece) for piece in pieces]


def test_saving_keeps_what_the_table_is(data, sql):
    """The same columns: its key, its types and its indexes stay. Other columns: a new table. replace=False: nothing."""
    sql("CREATE TABLE x (id INTEGER PRIMARY KEY, v VARCHAR(10))")
    data.save_data("x", [{"v": "a", "id": 1}])
    with pytest.raises(DataSetError, match=r"(?i)unique|duplicate"):
        data.save_data("x", [{"id": 1, "v": "a"}, {"id": 1, "v": "b"}])
    assert [{"id": 1, "v": "a"}] == data.load_data("x", as_="records")
    with pytest.raises(DataSetError, match="is there already"):
        data.save_data("x", [{"id": 2, "v": "b"}], replace=False)
    data.save_data("x", [{"id": 1, "w": 1.5}, {"id": 1, "w": None}])
    assert [{"id": 1, "w": 1.5}, {"id": 1, "w": None}] == data.load_data("x", as_="records")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"v": 1}, {"v": "a"}], "'v' mixes integer and text"),
        ([{"v": object()}], "'v' holds object, which a table cannot keep"),
        ([{"v": datetime.timedelta(1)}], "holds timedelta"),
        ([{"v": 2**70}], "v|range|large"),
        ([], "no columns"),
        ([5], "row 1 is int"),
    ],
)
def test_what_would_not_come_back_is_refused(data, rows, said):
    """And the table stays, also where it would have had to be another one."""
    data.save_data("x", [{"id": 1}])
    with pytest.raises(DataSetError, match=said):
        data.save_data("x", rows)
    assert [{"id": 1}] == data.load_data("x", as_="records")


@pytest.mark.parametrize("column", ["id", "other"])
def test_a_writer_that_is_killed_leaves_the_old_table(data, address, column):
    """Killed when the rows are in and not committed; with the table's columns, and with others."""
    data.save_data("x", [{"id": 1}])
    program = """
import sys
from milepost.datasets import make_data_manager
from milepost.datasets.tables import Tables

class Slow(Tables):
    def _row(self, row, foreign):
        if row[sys.argv[2]] == 15_000:
            print("half way", flush=True)
            sys.stdin.read()
        return row

Slow(sys.argv[1]).save("x", [{sys.argv[2]: number} for number in range(20_000)], form=None, replace=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, address, column], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert "half way" in process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert [{"id": 1}] == data.load_data("x", as_="records")
    data.save_data("x", [{column: 2}])
    assert [{column: 2}] == data.load_data("x", as_="records")


def test_many_threads_at_once(data):
    """Eight threads save and load: every read is one whole save, also while the table is only being made."""
    wrong = []

    def work(number):
        for _ in range(5):
            data.save_data("x", [{"turn": number}] * 100)
            turns = [row["turn"] for row in data.load_data("x", as_="records")]
            if len(turns) != 100 or len(set(turns)) != 1:
                wrong.append(turns)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_forked_child_has_connections_of_its_own(data):
    """Parent and child both go on."""
    data.save_data("x", [{"id": 1}])
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, str(len(data.load_data("x", as_="records"))).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert b"1" == os.read(reader, 10)
    os.close(reader)
    os.close(writer)
    assert [{"id": 1}] == data.load_data("x", as_="records")


def test_a_database_that_is_not_there(tmp_path, monkeypatch):
    """A SQLite file that is missing is not made by looking; saving makes it; the working folder may change."""
    monkeypatch.chdir(tmp_path)
    data = make_data_manager({"db_url": "sqlite:///new.db", "use_db": True})
    monkeypatch.chdir("/")
    assert [] == data.names()
    assert not data.has("x")
    with pytest.raises(UnknownDataSetError, match="new.db is not there"):
        data.load_data("x")
    data.connect()
    with pytest.raises(DataSetError, match="no such folder"):
        make_data_manager({"db_url": f"sqlite:///{tmp_path}/none/x.db"}, use_db=True).connect()
    assert not (tmp_path / "new.db").exists()
    data.save_data("x", [{"id": 1}])
    assert (tmp_path / "new.db").exists()
    data.disconnect()
    assert ["x"] == data.names()
    data.disconnect()


def test_a_file_that_is_no_database(tmp_path):
    """In our words."""
    (tmp_path / "x.db").write_bytes(b"id,net\n1,2\n" * 1000)
    with pytest.raises(DataSetError, match="not a database"):
        make_data_manager({"db_url": f"sqlite:///{tmp_path}/x.db"}, use_db=True).names()


def test_a_database_in_memory():
    """Lives as long as it is connected."""
    with make_data_manager({"db_url": "sqlite://"}, use_db=True) as data:
        data.save_data("x", [{"id": 1}])
        assert [{"id": 1}] == data.load_data("x", as_="records")
