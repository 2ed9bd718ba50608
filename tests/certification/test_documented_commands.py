"""Every command of the README and of docs/ is run, in a copy of this project, against real Airflow and a real index.

documented.py says how; unit/test_documented.py fails for a command that is in the docs and not there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.version import Version

from astronomer_certified.artifacts import Python
from astronomer_certified.effects.processes import clean_environment, free_port
from astronomer_certified.project import manifest
from astronomer_certified.pythons import interpreters
from astronomer_certified.workspace import Workspace
from documented import INSTALL, ROOT, SIMPLE, UPLOAD

REVISION = manifest.load(Workspace.at(ROOT), Version("2.1.0")).release.revision


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is committed or about to be, with this test's own environment in place of .venv."""
    folder = tmp_path_factory.mktemp("documented") / "project"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv" / "bin").mkdir(parents=True)
    for program in ("python", "certified", "pytest", "ruff", "mypy"):
        (folder / ".venv" / "bin" / program).symlink_to(Path(sys.executable).parent / program)
    (folder / ".venv" / "ready").touch()
    os.utime(folder / ".venv" / "ready", (time.time() + 60,) * 2)
    return folder


def run(command: str, project: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """A documented command, typed into a shell in the project."""
    environment = clean_environment(**env)
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    return subprocess.run(
        command, shell=True, cwd=project, env=environment, capture_output=True, text=True, timeout=1500, check=False
    )


def succeeded(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert done.returncode == 0, f"{done.args}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


@pytest.fixture(scope="module")
def released(project: Path) -> Path:
    """The project after `make release VERSION=2.1.0`."""
    done = succeeded(run("make release VERSION=2.1.0", project))
    assert f"apache_airflow-2.1.0+astro.{REVISION}-py3-none-any.whl" in done.stdout
    assert "pip install --index-url http://127.0.0.1:8080/simple/ 'astronomer-certified[celery,postgres]" in done.stdout
    return project


@contextlib.contextmanager
def served(project: Path) -> Iterator[int]:
    """`make serve` on a free port."""
    port = free_port()
    process = subprocess.Popen(
        ["make", "serve", f"PORT={port}"],
        cwd=project,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/simple/"):
                break
            time.sleep(0.1)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def test_a_release_that_is_made_again_has_nothing_to_do(released: Path) -> None:
    complete = "not_done" not in (released / "dist" / "2.1.0" / f"certificate-2.1.0-{REVISION}.json").read_text()
    start = time.monotonic()
    done = succeeded(run("certified release 2.1.0", released))

    if complete:
        assert done.stderr.startswith("up to date: ")
        assert time.monotonic() - start < 5  # the benchmark says how fast; this says that nothing was done
    assert f"certificate-2.1.0-{REVISION}.json" in done.stdout


@pytest.mark.parametrize("command", sorted(SIMPLE))
def test_a_documented_command_works(released: Path, command: str) -> None:
    done = run(command, released)

    if "--require-complete" in command and "NOT DONE" in done.stdout:
        assert done.returncode == 1
        assert "is not complete" in done.stderr
    else:
        assert succeeded(done).stdout.strip() or " > " in command


@pytest.mark.skipif(interpreters.find(Python(3, 8)) is None, reason="no CPython 3.8 on this machine")
def test_a_platform_user_installs_with_the_documented_command(released: Path, tmp_path: Path) -> None:
    interpreter = interpreters.require(Python(3, 8), "the documented install")
    home = tmp_path / "home"
    home.mkdir()
    venv = tmp_path / "venv"
    subprocess.run([interpreter.executable, "-m", "venv", venv], check=True, env=clean_environment())
    env = {"HOME": str(home), "AIRFLOW_HOME": str(home), "VIRTUAL_ENV": str(venv)}

    def typed(command: str) -> str:
        return succeeded(run(f"PATH={venv / 'bin'}:$PATH {command}", home, **env)).stdout

    with served(released) as port:
        [install] = [command for command in INSTALL if command.startswith("pip")]
        typed(install.replace(":8080/", f":{port}/"))
    assert f"2.1.0+astro.{REVISION}" in typed("airflow version")
    assert typed("pip check").strip() == "No broken requirements found."
    assert typed("astronomer-certified version") == (
        f"Astronomer Certified 2.1.0-{REVISION} (apache-airflow 2.1.0+astro.{REVISION})\n"
    )
    constraints = Path(typed("astronomer-certified constraints").strip())
    assert constraints.read_bytes() == (ROOT / "constraints/2.1.0/constraints-3.8.txt").read_bytes()
    assert "AIRFLOW__CORE__SQL_ALCHEMY_CONN=" in typed("astronomer-certified environment")


def test_an_operator_uploads_with_the_documented_command(released: Path) -> None:
    password = (released / "index" / "upload-password").read_text().strip()
    [upload] = UPLOAD
    with served(released) as port:
        done = run(
            f"{upload.replace(':8080/', f':{port}/')} --non-interactive",
            released,
            TWINE_PASSWORD=password,
            PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring",
        )

    succeeded(done)
