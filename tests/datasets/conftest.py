"""Real databases for the tests: a SQLite file, and a PostgreSQL server of our own where its programs are installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))  # where Debian has it, outside of PATH
PG_CTL = shutil.which("pg_ctl") or next((str(folder / "pg_ctl") for folder in reversed(SERVERS)), None)
DATABASES = ["sqlite", "postgresql"] if PG_CTL else ["sqlite"]
PASSWORD = "lovelace-4711"


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The address of a PostgreSQL server that listens on a socket in a folder alone."""
    folder = tmp_path_factory.mktemp("pg")
    user = []
    if os.geteuid() == 0:  # which PostgreSQL refuses to run as
        user = ["setpriv", "--reuid=nobody", "--clear-groups"]
        shutil.chown(folder, "nobody")
        for above in [folder, *folder.parents][:3]:
            above.chmod(above.stat().st_mode | 0o711)
    binaries = Path(PG_CTL).resolve().parent
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)

    def call(program, *arguments):
        subprocess.run([*user, str(binaries / program), *arguments], check=True, capture_output=True, cwd=folder)

    call("initdb", "-D", "db", "-U", "ada", "-A", "scram-sha-256", "--pwfile", "password", "-E", "UTF8", "--no-sync")
    call("pg_ctl", "-D", "db", "-w", "-l", "log", "-o", f"-k {folder} -c listen_addresses= -c fsync=off", "start")
    yield f"postgresql+psycopg://ada:{PASSWORD}@/postgres?host={folder}"
    call("pg_ctl", "-D", "db", "-m", "immediate", "stop")


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
