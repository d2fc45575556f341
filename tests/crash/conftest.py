from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from job import Job, end_all
from trials import Lab


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path)


@pytest.fixture(autouse=True)
def _nothing_is_left_running():
    yield
    end_all()


@pytest.fixture(scope="session")
def lab():
    """In memory: what is killed or replayed needs no disk, and a sync costs nothing."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(prefix="milepost-", dir=memory if memory.is_dir() else None) as folder:
        lab = Lab(Path(folder))
        yield lab
        lab.close()
