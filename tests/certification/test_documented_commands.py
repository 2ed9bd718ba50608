"""What the documentation says can be typed, typed: in a copy of this project, with real Airflow and a real index.

integration/test_documented_commands.py types what a tiny Airflow is enough for.
"""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.version import Version

from astronomer_certified.artifacts import Python
from astronomer_certified.effects.processes import clean_environment, free_port
from astronomer_certified.project import manifest
from astronomer_certified.pythons import interpreters
from astronomer_certified.workspace import Workspace
from documented import ROOT, Terminal, repository_copy

pytestmark = pytest.mark.airflow

REVISION = manifest.load(Workspace.at(ROOT), Version("2.1.0")).release.revision
RELEASED_HERE = "http://127.0.0.1:8080/"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """A terminal in a copy of this project after `make release VERSION=2.1.0`."""
    folder = repository_copy(tmp_path_factory.mktemp("documented") / "project")
    terminal = Terminal(folder=folder, env=clean_environment())
    done = terminal.types("make release VERSION=2.1.0")
    assert f"apache_airflow-2.1.0+astro.{REVISION}-py3-none-any.whl" in done.stdout
    assert f"pip install --index-url {RELEASED_HERE}simple/ 'astronomer-certified[celery,postgres,redis]" in done.stdout
    return terminal


@contextlib.contextmanager
def served(terminal: Terminal) -> Iterator[str]:
    """The address of an index that is served in a terminal."""
    port = free_port()
    here = replace(terminal, instead={"8080": str(port)})
    with here.starts("make serve PORT=8080"):
        address = f"http://127.0.0.1:{port}/"
        for _ in range(100):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}simple/"):
                break
            time.sleep(0.1)
        yield address


def test_a_release_that_is_made_again_has_nothing_to_do(released: Terminal) -> None:
    certificate = released.folder / "dist" / "2.1.0" / f"certificate-2.1.0-{REVISION}.json"
    complete = '"not_done": []' in certificate.read_text()
    start = time.monotonic()
    done = released.types("certified release 2.1.0")

    if complete:
        assert done.stderr.startswith("up to date: ")
        assert time.monotonic() - start < 5  # the benchmark says how fast; this says that nothing was done
    assert certificate.name in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        "certified build 2.1.0",
        "certified wheelhouse 2.1.0",
        "certified publish 2.1.0",
        "certified prove 2.1.0",
        "certified prove 2.1.0 CVE-2021-38540",
        "certified check",
        "certified patch checkout 2.1.0",
        "certified patch export 2.1.0",
        "certified patch lint",
        "certified changelog 2.1.0",
        "certified index verify",
        "certified index export public",
    ],
)
def test_a_documented_command_works(released: Terminal, command: str) -> None:
    assert released.types(command).stdout.strip()


def test_the_certificate_is_shown(released: Terminal) -> None:
    assert released.types("certified show 2.1.0").stdout.startswith(f"2.1.0-{REVISION}\n")


def held(terminal: Terminal, *names: str) -> dict[str, tuple[int, int]]:
    """How many tests of these proofs fail on upstream and how many pass on both, when run in this order; of all, as it
    was when the release was made, in the order of its series, when none is named."""
    again = ["--again"] if names else []
    results = json.loads(terminal.types("certified prove 2.1.0", *names, *again, "--json").stdout)["results"]
    return {result["name"]: (result["fails_upstream"], result["passes_both"]) for result in results}


@pytest.mark.skipif(interpreters.find(Python(3, 8)) is None, reason="no CPython 3.8 on this machine")
def test_a_proof_says_the_same_after_whatever_others_and_alone(released: Terminal) -> None:
    in_order = held(released)
    # A tenth of them: all, which takes as long as a release, were compared by hand.
    mixed = random.Random(11).sample(sorted(in_order), len(in_order) // 10)

    assert held(released, *mixed) == {name: in_order[name] for name in mixed}
    # Alone, what they share is made anew each time.
    for name in mixed[:3]:
        assert held(released, name) == {name: in_order[name]}


def test_a_release_says_whether_it_is_complete(released: Terminal) -> None:
    done = released.types("certified release 2.1.0 --require-complete", statuses=(0, 1))

    assert done.returncode == ("NOT DONE" in done.stdout)
    assert ("is not complete" in done.stderr) == ("NOT DONE" in done.stdout)


@pytest.mark.skipif(interpreters.find(Python(3, 8)) is None, reason="no CPython 3.8 on this machine")
def test_a_platform_user_installs_with_the_documented_commands(released: Terminal, tmp_path: Path) -> None:
    interpreter = interpreters.require(Python(3, 8), "the documented install")
    home, venv = tmp_path / "home", tmp_path / "venv"
    home.mkdir()
    subprocess.run([interpreter.executable, "-m", "venv", venv], check=True, env=clean_environment())
    env = clean_environment(HOME=str(home), AIRFLOW_HOME=str(home), VIRTUAL_ENV=str(venv))
    with served(released) as address:
        user = Terminal(
            folder=home,
            env=env,
            programs=venv / "bin",
            instead={RELEASED_HERE: address, "astro.2": f"astro.{REVISION}"},
        )
        user.types(
            "pip install --index-url http://127.0.0.1:8080/simple/"
            " 'astronomer-certified[celery,postgres,redis]==2.1.0.*'"
        )
        assert f"2.1.0+astro.{REVISION}" in subprocess.run(
            [venv / "bin" / "airflow", "version"], env=env, capture_output=True, text=True, check=True
        ).stdout  # fmt: skip
        assert user.types("pip check").stdout.strip() == "No broken requirements found."
        assert user.types("astronomer-certified version").stdout == (
            f"Astronomer Certified 2.1.0-{REVISION} (apache-airflow 2.1.0+astro.{REVISION})\n"
        )
        constraints = Path(user.types("astronomer-certified constraints").stdout.strip())
        assert constraints.read_bytes() == (ROOT / "constraints/2.1.0/constraints-3.8.txt").read_bytes()
        assert "AIRFLOW__CORE__SQL_ALCHEMY_CONN=" in user.types("astronomer-certified environment").stdout

        (home / "my-constraints.txt").write_text("tabulate==0.8.8\n")
        user.types(
            "pip install --index-url http://127.0.0.1:8080/simple/ 'apache-airflow[celery]==2.1.0+astro.2'"
            " -c my-constraints.txt"
        )
    assert (venv / "lib/python3.8/site-packages/tabulate-0.8.8.dist-info").is_dir()


def test_an_operator_uploads_with_the_documented_command(released: Terminal) -> None:
    password = (released.folder / "index" / "upload-password").read_text().strip()
    with served(released) as address:
        env = {**released.env, "TWINE_PASSWORD": password, "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
        operator = replace(released, env=env, instead={RELEASED_HERE: address})
        operator.types(
            "twine upload --repository-url http://127.0.0.1:8080/ -u certified dist/2.1.0/*.whl", "--non-interactive"
        )


def test_it_is_served_where_the_release_says(released: Terminal) -> None:
    port = free_port()
    with released.starts("make serve", f"PORT={port}"):
        for _ in range(100):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/simple/") as answer:
                assert b"astronomer-certified" in answer.read()
                return
            time.sleep(0.1)
    pytest.fail("nobody answers")


# Last: it publishes the release before it in the line, and installs are tried again when others join their index.
@pytest.mark.skipif(interpreters.find(Python(3, 8)) is None, reason="no CPython 3.8 on this machine")
def test_a_release_in_operation_is_certified_at_the_level_services(released: Terminal) -> None:
    shown = " ".join(released.types("certified certify 2.1.0 --level services --python 3.8").stdout.split())
    # What is done already is not done again.
    made = json.loads(released.types("certified certify 2.1.0 --level services --python 3.8", "--json").stdout)
    if made["not_done"]:
        pytest.skip(f"not done here: {made['not_done'][0]['why']}; {made['not_done'][0]['how']}")

    full, services = (made["tried"][name] for name in ("full 3.8", "services 3.8"))
    seen = {check["name"]: check["seen"] for level in (full, services) for check in level["checks"]}
    assert "database of 2.0.2 upgraded" in seen
    assert seen["200 tasks while a host and the scheduler die"].startswith("200 of 200 succeeded")
    assert (
        "level services: astronomer-certified[celery,cncf.kubernetes,ldap,mysql,postgres,redis,statsd]==2.1.0.*"
        in shown
    )
    assert seen["flower"] in shown
    # Every difference from upstream has a reason, which the series carries.
    assert all(item["patch"] for level in (full, services) for item in level["differences"])
