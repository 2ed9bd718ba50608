"""Every command of the README and of docs/ is run, in a copy of this project, against real Airflow and a real index.

The table below says how; a command that is in the docs and not in the table fails the first test.
"""

from __future__ import annotations

import contextlib
import os
import re
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

from astronomer_certified import interpreters, manifest
from astronomer_certified.artifacts import Python
from astronomer_certified.effects import clean_environment, free_port
from astronomer_certified.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
REVISION = manifest.load(Workspace.at(ROOT), Version("2.1.0")).release.revision
PROGRAMS = ("make", "certified", "pip", "twine", "astronomer-certified")
_COMMAND = re.compile(rf"^(?:{'|'.join(PROGRAMS)}) ")

# Run by the tests below.
RELEASE = {"make release VERSION=2.1.0", "certified release 2.1.0"}
SERVE = {"make serve", "make serve PORT=8080"}
INSTALL = {
    "pip install --index-url http://127.0.0.1:8080/simple/ 'astronomer-certified[celery,postgres]==2.1.0.*'",
    "astronomer-certified version",
    "astronomer-certified constraints",
    "astronomer-certified environment",
}
UPLOAD = {"twine upload --repository-url http://127.0.0.1:8080/ -u certified dist/2.1.0/*.whl"}
SIMPLE = {
    "make build VERSION=2.1.0",
    "certified build 2.1.0",
    "certified wheelhouse 2.1.0",
    "certified publish 2.1.0",
    "certified release 2.1.0 --quiet",
    "certified release 2.1.0 --json",
    "certified release 2.1.0 --require-complete",
    "certified prove 2.1.0",
    "certified prove 2.1.0 CVE-2021-38540",
    "certified check",
    "certified check 2.1.0",
    "certified patch checkout 2.1.0",
    "certified changelog 2.1.0",
    "certified releases",
    "certified patch lint",
    "certified patch list",
    "certified patch list 2.1.0",
    "certified patch list --count",
    "certified patch list --cve CVE-2021-28359",
    "certified patch list --page > docs/carry-matrix.md",
    "certified patch lint 2.1.0",
    "certified index verify",
    "certified index users list",
    "certified index export public",
    'certified index yank astronomer-certified 2.1.0.post1 --reason "wrong constraints"',
    "certified index yank astronomer-certified 2.1.0.post1 --undo",
    "certified index status astronomer-certified active",
}
# Run by tests/integration/test_regeneration.py, tests/unit/test_workbench.py, test_port.py and test_changelog.py, by
# .ci/run, or patterns rather than commands.
ELSEWHERE = {
    # builds and resolves as `certified constraints` does; tests/unit/test_drafts.py holds what it writes
    "certified new 2.4.3",
    "make releases-page",
    "make constraints VERSION=2.1.0",
    "certified constraints 2.1.0",
    "make check",
    "make test",
    "make system-packages",
    "certified serve",
    # tests/integration/test_index_operations.py runs them all, on an index of its own
    "certified index serve",
    "certified index serve --workers 2",
    "certified index serve --index DIR",
    "certified index users add ann",
    "certified index users token ci --user ci --project 'acme-*' --days 90",
    "certified index users revoke ci",
    "certified index users remove ann",
    "certified index users",
    "certified index publish FILE …",
    "certified index yank PROJECT VERSION",
    "certified index status PROJECT STATUS",
    "certified index export DIR",
    "certified index mirror URL PROJECT …",
    "make torture-index",
    "make fuzz-index",
    "make bench-index",
    "certified release --all",
    "make release-all",
    "make bench",
    "certified release 2.1.0 --every-python",
    "certified prove 2.1.0 NAME",
    "certified bump 2.1.0",
    "certified patch checkout 2.1.0 DIR",
    "certified patch export DIR",
    "certified patch export 2.1.0",
    "certified patch port NAME --to 2.0.2",
    "certified patch port CVE-2021-38540 --all",
    "certified patch port --continue",
    "certified patch port --abort",
    "certified patch port --all --to 2.2.0 --dry-run",
    "certified -C DIR VERB …",
    "pip install --index-url … 'apache-airflow[celery]==2.1.0+astro.1' -c my-constraints.txt",
}


def documented() -> set[str]:
    """The commands of indented blocks and of inline code."""
    found = set()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = path.read_text(encoding="utf-8")
        lines = [line[4:] for line in text.splitlines() if line.startswith("    ")]
        found |= {line.strip() for line in (*lines, *re.findall(r"`([^`\n]+)`", text)) if _COMMAND.match(line)}
    return found


def test_every_documented_command_is_run_by_a_test() -> None:
    known = RELEASE | SERVE | INSTALL | UPLOAD | SIMPLE | ELSEWHERE

    assert documented() - known == set()
    assert known - documented() == set()


def test_every_target_of_the_makefile_is_documented_by_its_help() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    helped = set(re.findall(r"^([a-z][a-z-]*):.*## ", makefile, re.MULTILINE))

    assert targets == helped


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
