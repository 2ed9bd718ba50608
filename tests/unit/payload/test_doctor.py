"""`astronomer-certified doctor` finds what is wrong, one thing at a time, and says what to do about it."""

from __future__ import annotations

import http.server
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from payload_fixtures import Installed

from astronomer_certified.payload import running

KEYS = (
    "AIRFLOW__CORE__FERNET_KEY=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n"
    "AIRFLOW__WEBSERVER__SECRET_KEY=0123456789abcdef0123456789abcdef\n"
)


@pytest.fixture
def port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


class Patient:
    """An installation that nothing is wrong with, until a test changes something."""

    def __init__(self, installed: Installed, folder: Path, port: int) -> None:
        self.installed, self.folder = installed, folder
        self.home = folder / "home"
        (self.home / "logs").mkdir(parents=True)
        self.file = folder / "file"
        self.lines = {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__SQL_ALCHEMY_CONN": "postgresql://user:hidden@db/airflow",
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CELERY__BROKER_URL": "redis://:hidden@redis/0",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": str(port),
            "AIRFLOW__CELERY__WORKER_LOG_SERVER_PORT": "0",
            "AIRFLOW__CELERY__FLOWER_PORT": "0",
            "AIRFLOW__WEBSERVER__BASE_URL": "http://localhost/airflow",
        }

    def found(self, **changes: str) -> dict[str, tuple[str, str, str]]:
        """What doctor finds other than ok, by check: status, what, advice."""
        lines = {**self.lines, **changes}
        self.file.write_text(KEYS + "".join(f"{name}={value}\n" for name, value in lines.items()))
        self.file.chmod(0o600)
        return self.results()

    def results(self) -> dict[str, tuple[str, str, str]]:
        words = ["--file", str(self.file)]
        expected = self._status(words)
        done = self.installed.run("doctor", "--json", *words, home=self.folder, status=expected)
        assert "hidden" not in done.stdout
        results = [item for item in json.loads(done.stdout) if item["status"] not in ("ok", "skipped")]
        assert [item for item in results if not item["advice"]] == []
        assert expected == any(item["status"] == "failed" for item in results)
        return {item["check"]: (item["status"], item["found"], item["advice"]) for item in results}

    def _status(self, words: list[str]) -> int:
        """0 where the table that people see ends with no failure."""
        for status in (0, 1):
            try:
                done = self.installed.run("doctor", *words, home=self.folder, status=status)
            except AssertionError:
                continue
            assert done.stdout.splitlines()[-1].startswith("0 failed") == (status == 0)
            assert "hidden" not in done.stdout
            return status
        pytest.fail("neither 0 nor 1")


@pytest.fixture
def patient(installed: Installed, tmp_path: Path, port: int) -> Patient:
    # Of all users, as the default umask has it.
    tmp_path.chmod(0o755)
    return Patient(installed, tmp_path, port)


def test_nothing_is_found_where_nothing_is_wrong(patient: Patient) -> None:
    assert patient.found() == {}


@pytest.mark.parametrize(
    ("changes", "check", "status", "what", "advice"),
    [
        ({"PYTHON_MAJOR_MINOR_VERSION": "2.7"}, "Python", "warning", "the file says 2.7", "PYTHON_MAJOR_MINOR"),
        ({"AIRFLOW__CORE__FERNET_KEY": ""}, "Fernet key", "failed", "not encrypted", "init --force"),
        ({"AIRFLOW__CORE__FERNET_KEY": "abc"}, "Fernet key", "failed", "not 32 bytes", "put back the key"),
        ({"AIRFLOW__WEBSERVER__SECRET_KEY": "temporary_key"}, "secret key", "failed", "everybody has", "30 random"),
        ({"AIRFLOW__CORE__EXECUTOR": "Celery"}, "executor", "failed", "has no Celery", "AIRFLOW__CORE__EXECUTOR"),
        (
            {"AIRFLOW__API__AUTH_BACKEND": "airflow.api.auth.backend.default"},
            "settings", "failed", "asks nobody", "deny_all",
        ),
        ({"AIRFLOW__WEBSERVER__EXPOSE_CONFIG": "True"}, "settings", "failed", "its secrets", "EXPOSE_CONFIG=False"),
        ({"AIRFLOW__CORE__LOAD_EXAMPLES": "True"}, "settings", "warning", "example DAGs", "LOAD_EXAMPLES=False"),
        ({"AIRFLOW__WEBSERVER__RBAC": "True"}, "settings", "warning", "not read by Airflow 2", "take it out"),
        (
            {"AIRFLOW__CORE__SQL_ALCHEMY_CONN": "postgresql://user:hidden@down/airflow"},
            "database", "failed", "no route to postgresql://***@down/airflow", "SQL_ALCHEMY_CONN",
        ),
        ({"THEIR_HEADS": ""}, "database", "failed", "it is empty", "airflow db init"),
        ({"THEIR_HEADS": "old"}, "database", "failed", "at migration old, and Airflow needs abc", "airflow db upgrade"),
        ({"THEIR_CLOCK": "60"}, "clock", "failed", " s from that of the database", "NTP"),
        ({"THEIR_CLOCK": "-60"}, "clock", "failed", " s from that of the database", "NTP"),
        ({"AIRFLOW__CELERY__BROKER_URL": "redis://:hidden@down/0"}, "broker", "failed", "no route", "BROKER_URL"),
        ({"AIRFLOW__CELERY__BROKER_URL": "library://"}, "broker", "failed", "Missing redis", "install the extras"),
        ({"AIRFLOW__WEBSERVER__WEB_SERVER_PORT": "http"}, "port of webserver", "failed", "'http' is no port", "number"),
        ({"AIRFLOW__WEBSERVER__WEB_SERVER_PORT": "70000"}, "port of webserver", "failed", "no port", "number"),
        ({"AIRFLOW_HOME": "/nowhere"}, "folders", "failed", "/nowhere is not there", "install -d -o astro"),
    ],
)  # fmt: skip
def test_a_setting_that_is_wrong_is_found_with_what_to_do(
    patient: Patient, changes: dict[str, str], check: str, status: str, what: str, advice: str
) -> None:
    found = patient.found(**changes)
    assert list(found) == [check]
    assert found[check][0] == status
    assert what in found[check][1]
    assert advice in found[check][2]


def test_sqlite_is_looked_for_and_not_made(patient: Patient) -> None:
    changes = {
        "AIRFLOW__CORE__SQL_ALCHEMY_CONN": f"sqlite:///{patient.home}/airflow.db",
        "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor",
    }
    assert patient.found(**changes)["database"] == (
        "failed",
        f"{patient.home}/airflow.db is not there",
        "airflow db init",
    )
    assert not (patient.home / "airflow.db").exists()
    (patient.home / "airflow.db").touch()
    assert patient.found(**changes) == {}


def test_a_file_that_is_not_there_or_cannot_be_used_is_found(patient: Patient) -> None:
    assert "No such file" in patient.results()["environment file"][1]
    assert patient.results()["environment file"][2] == "astronomer-certified init writes one"
    patient.file.write_text("A=a b\n")
    assert "line 1: 'b' needs double quotes" in patient.results()["environment file"][1]
    assert patient.results()["environment file"][2].startswith("put it right")


def test_without_any_file_advice_names_the_place_where_it_belongs(installed: Installed, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    done = installed.run("doctor", "--json", home=tmp_path, status=1, ASTRONOMER_CERTIFIED_FILE=str(gone),
                         AIRFLOW__CORE__EXECUTOR="Celery")  # fmt: skip
    advice = {item["check"]: item["advice"] for item in json.loads(done.stdout)}
    assert advice["executor"] == f"set AIRFLOW__CORE__EXECUTOR in {gone}"
    # Said once, and not with what was found, too.
    assert advice["environment file"] == "astronomer-certified init writes one"
    assert done.stdout.count("init writes one") == 1


def test_a_file_whose_secrets_everybody_may_read_is_found(patient: Patient) -> None:
    patient.found()
    patient.file.chmod(0o644)
    assert patient.results()["environment file"][0] == "warning"


def test_an_airflow_cfg_counts_where_the_file_says_nothing(patient: Patient) -> None:
    (patient.home / "airflow.cfg").write_text("[webserver]\nexpose_config = True\n")
    assert "secrets" in patient.found()["settings"][1]
    assert patient.found(AIRFLOW__WEBSERVER__EXPOSE_CONFIG="False") == {}
    (patient.home / "airflow.cfg").write_text("nothing\n")
    assert patient.found()["executor"][1].endswith("airflow.cfg: line 1 is no setting")


def test_a_role_for_strangers_is_found(patient: Patient) -> None:
    config = patient.home / "webserver_config.py"
    config.write_text("# AUTH_ROLE_PUBLIC = 'Admin'\n")
    assert patient.found() == {}
    config.write_text("AUTH_ROLE_PUBLIC = 'Viewer'\n")
    assert "who is not logged in has the role Viewer" in patient.found()["settings"][1]


def test_what_everybody_may_write_is_found(patient: Patient) -> None:
    (patient.home / "logs" / "dag").mkdir()
    (patient.home / "logs" / "dag" / "1.log").touch()
    (patient.home / "logs" / "dag" / "1.log").chmod(0o666)
    (patient.home / "dags").mkdir()
    (patient.home / "dags").chmod(0o777)
    found = patient.found()
    assert found["folders"] == ("failed", f"everybody may write {patient.home}/dags", f"chmod o-w {patient.home}/dags")
    assert found["log folders"][1:] == (
        f"everybody may write {patient.home}/logs/dag/1.log", f"chmod -R o-w {patient.home}/logs",
    )  # fmt: skip


# --- ports


@contextmanager
def listening(port: int, answer: bytes) -> Iterator[None]:
    """Somebody listens there, and answers /airflow/health with that."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/airflow/health" else 404)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


def test_a_port_that_an_airflow_has_is_right_and_another_one_s_is_wrong(patient: Patient, port: int) -> None:
    with listening(port, b'{"metadatabase": {"status": "healthy"}}'):
        assert patient.found() == {}
    with listening(port, b"hello"):
        assert patient.found()["port of webserver"][1] == f"{port} is taken, and not by an Airflow"


# --- what is installed


@contextmanager
def changed(path: Path, text: str | None) -> Iterator[None]:
    """A file of the installation has that text, or is gone; afterwards it is as before."""
    before = path.read_bytes() if path.exists() else None
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        if before is not None:
            path.write_bytes(before)


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("airflow/migrations/env.py", "changed", "airflow/migrations/env.py changed"),
        ("airflow/migrations/env.py", None, "airflow/migrations/env.py gone"),
        ("airflow/mine.py", "", "airflow/mine.py added"),
    ],
)
def test_a_file_over_the_core_is_found(
    installed: Installed, patient: Patient, name: str, text: str | None, what: str
) -> None:
    with changed(installed.site / name, text):
        found = patient.found()
    assert found["core files"][:2] == ("failed", what)
    assert "--force-reinstall --no-deps apache-airflow==2.1.0+astro.4" in found["core files"][2]


@pytest.mark.parametrize(
    ("name", "version", "what"),
    [
        ("flask-1.1.4", "1.1.2", "flask 1.1.2 (pinned: 1.1.4)"),
        ("apache_airflow-2.1.0+astro.4", "2.1.0", "apache-airflow 2.1.0 (pinned: 2.1.0+astro.4)"),
    ],
)
def test_another_version_than_the_pinned_one_is_found(
    installed: Installed, patient: Patient, name: str, version: str, what: str
) -> None:
    project = name.split("-")[0].replace("_", "-")
    with changed(
        installed.site / f"{name}.dist-info" / "METADATA",
        f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n",
    ):
        found = patient.found()
    assert found["pins"][:2] == ("failed", what)


def test_without_the_record_of_the_release_the_rest_is_looked_at(installed: Installed, patient: Patient) -> None:
    with changed(installed.site / "astronomer_certified" / "release.json", "{"):
        found = patient.found()
    assert list(found) == ["release"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_root_asks_as_the_owner_of_the_folder(tmp_path: Path) -> None:
    """What Airflow writes when it is imported must be its own user's."""
    os.chown(tmp_path, 65534, 65534)
    done = subprocess.run(
        ["id", "-u"], preexec_fn=running._as_owner(str(tmp_path)), cwd="/", capture_output=True, check=True
    )
    assert done.stdout == b"65534\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_an_owner_who_may_not_run_airflow_is_told(patient: Patient) -> None:
    patient.folder.chmod(0o700)
    os.chown(patient.home, 65534, 65534)
    assert f"cannot be run by the owner of {patient.home}" in patient.found()["database"][1]
