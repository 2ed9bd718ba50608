"""What holds for every unit test: no network, no settings of the person who runs it."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from factories import workspace as workspace_at

from astronomer_certified.workspace import Workspace

_HERE = ("127.0.0.1", "0.0.0.0", "localhost", "::1")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets reach this machine and nothing else; a test that asks for more fails where it asks."""
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in _HERE:
            pytest.fail(f"a unit test connects to {address}")
        connect(self, address)

    def guarded_resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in (None, *_HERE):
            pytest.fail(f"a unit test looks up {host!r}")
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_resolve)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that would change what the code under test does are not there."""
    for name in list(os.environ):
        if name.startswith(("CERTIFIED_", "GIT_", "PIP_", "UV_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty project folder with a cache of its own."""
    return workspace_at(tmp_path / "project")
