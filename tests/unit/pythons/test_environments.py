"""Environments: what uv is told, and what is left of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from astronomer_certified.pythons import environments


def test_an_address_with_a_password_does_not_stay_where_a_killed_run_wrote_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    hang = (
        "import time\nfrom astronomer_certified.pythons import environments\n"
        "with environments._settings():\n    print(flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hang], stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)}
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        [left] = tmp_path.glob("certified-uv-*/uv.toml")
        process.kill()
    assert left.stat().st_mode & 0o077 == 0

    with environments._settings():
        assert not left.exists()
