"""The payload, installed once for all tests that do not change it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from payload_fixtures import Installed, installed_in

from astronomer_certified.artifacts import Python
from astronomer_certified.pythons import interpreters


@pytest.fixture(scope="session", params=["3.6", "ours"])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The payload in an environment that no test changes."""
    python: Path | None = Path(sys.executable)
    if request.param != "ours":
        with pytest.MonkeyPatch.context() as patch:
            # Looked for, and not fetched: no network here.
            patch.setenv("UV_PYTHON_DOWNLOADS", "never")
            found = interpreters.find(Python(3, 6))
        if found is None:
            pytest.skip("no CPython 3.6 on this machine")
        python = Path(found.executable)
    assert python is not None
    return installed_in(tmp_path_factory.mktemp("installed") / "venv", python)
