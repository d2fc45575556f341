"""Real databases for the tests: a SQLite file, and a PostgreSQL server of our own where its programs are installed."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))  # where Debian has it, outside of PATH
PG_CTL = shutil.which("pg_ctl") or next((str(folder / "pg_ctl") for folder in reversed(SERVERS)), None)
DATABASES = ["sqlite", "postgresql"] if PG_CTL else ["sqlite"]
PASSWORD = "lovelace-4711"


@pytest.fixture(scope="session")
def server():
    """The address of a PostgreSQL server that listens on a socket in a folder alone, and ends with us."""
    folder = Path(tempfile.mkdtemp(prefix="milepost-pg-"))  # short, as the path of a socket has to be
    as_user = ["setpriv", "--pdeathsig=QUIT"]
    if os.geteuid() == 0:  # which PostgreSQL refuses to run as
        as_user += ["--reuid=nobody", "--clear-groups"]
        shutil.chown(folder, "nobody")
    binaries = Path(PG_CTL).resolve().parent
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    made = ["-D", "db", "-U", "ada", "-A", "scram-sha-256", "--pwfile", "password", "-E", "UTF8", "--no-sync"]
    subprocess.run([*as_user, binaries / "initdb", *made], check=True, capture_output=True, cwd=folder)
    options = ["-D", "db", "-k", str(folder), "-c", "listen_addresses=", "-c", "fsync=off"]
    with subprocess.Popen(
        [*as_user, binaries / "postgres", *options], cwd=folder, stderr=subprocess.PIPE, text=True
    ) as process:
        said = []
        for line in process.stderr:
            said.append(line)
            if "ready to accept connections" in line:
                break
        else:
            raise AssertionError("".join(said))
        threading.Thread(target=process.stderr.read, daemon=True).start()  # or it would block on a full pipe
        yield f"postgresql+psycopg://ada:{PASSWORD}@/postgres?host={folder}"
        process.send_signal(signal.SIGQUIT)
        process.wait()
    shutil.rmtree(folder)


@pytest.fixture(params=DATABASES)
def address(request, tmp_path):
    """The address of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/data.db"
        return
    import sqlalchemy

    server = request.getfixturevalue("server")
    yield server
    engine = sqlalchemy.create_engine(server)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
