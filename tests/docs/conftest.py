from concurrent.futures import ThreadPoolExecutor

import pytest
from doc_blocks import RUN
from doc_running import Walk


@pytest.fixture(scope="session")
def carried_out(tmp_path_factory):
    """Every page whose blocks are run, all at once: mostly they wait. Page name -> future of what differs."""
    with ThreadPoolExecutor(4) as pool:
        yield {page.name: pool.submit(Walk(page, tmp_path_factory.mktemp(page.stem)).carry_out) for page in RUN}
