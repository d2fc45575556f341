"""The servers of alert_servers, for as long as a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alert_places import Place
from alert_servers import Hook, MailServer


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    yield server
    server.close()


@pytest.fixture
def plain_hook() -> Iterator[Hook]:
    server = Hook(tls=False)
    yield server
    server.close()


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    server = MailServer("canary-lovelace")
    yield server
    server.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.close()
