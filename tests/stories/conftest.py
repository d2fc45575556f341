"""Where the documents' blocks run: in a folder of their own."""

import pytest


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "keys"))
    monkeypatch.delenv("MILEPOST_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)
