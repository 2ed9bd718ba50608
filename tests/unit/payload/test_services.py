"""`astronomer-certified run` and `units`: services get what the environment file sets, and few rights."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from payload_fixtures import Installed, executable

from astronomer_certified.payload import services
from documented import ROOT

CELERY = (
    "AIRFLOW_HOME=/srv/airflow\nAIRFLOW__CORE__EXECUTOR=CeleryExecutor\nASTRONOMER_USER=astro\n"
    "AIRFLOW__CORE__SQL_ALCHEMY_CONN=postgresql://db/airflow\n"
)
NAMES = ["airflow-flower.service", "airflow-scheduler.service", "airflow-webserver.service", "airflow-worker.service"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text(CELERY)
    return path


# --- run


def test_a_service_has_what_the_file_sets(installed: Installed, tmp_path: Path, file: Path) -> None:
    file.write_text(CELERY + 'MINE="a $x\nb"\n'.replace("$", "\\$"))
    done = installed.run(
        "run", "--file", file, "worker", "--queues", "a,b", home=tmp_path, AIRFLOW_HOME="/other", OTHER="1"
    )
    first, *variables = done.stdout.splitlines()
    assert first == "airflow celery worker --queues a,b"
    assert {"AIRFLOW_HOME=/srv/airflow", "MINE=a $x", "b", "OTHER=1"} <= set(variables)
    [path] = [line for line in variables if line.startswith("PATH=")]
    assert path.split("=")[1].split(":")[0] == str(installed.folder / "bin")


@pytest.mark.parametrize(
    ("airflow", "service", "words"),
    [
        ((1, 10, 15), "worker", ["worker"]),
        ((1, 10, 7), "flower", ["flower"]),
        ((1, 10, 15), "webserver", ["webserver"]),
        ((2, 0, 0), "worker", ["celery", "worker"]),
        ((2, 1, 0), "flower", ["celery", "flower"]),
        ((2, 1, 0), "scheduler", ["scheduler"]),
    ],
)
def test_a_service_is_started_by_the_name_that_its_airflow_has(
    airflow: tuple[int, ...], service: str, words: list[str]
) -> None:
    assert services.words(service, airflow) == words


@pytest.mark.parametrize("service", ["worker", "flower"])
def test_what_has_nothing_to_do_is_not_started(installed: Installed, tmp_path: Path, file: Path, service: str) -> None:
    file.write_text("AIRFLOW_HOME=/srv/airflow\nAIRFLOW__CORE__EXECUTOR=LocalExecutor\n")
    done = installed.run("run", "--file", file, service, home=tmp_path, status=1)
    assert f"{service} is for CeleryExecutor, but AIRFLOW__CORE__EXECUTOR=LocalExecutor" in done.stderr


def test_a_service_without_a_file_or_with_a_broken_one_is_not_started(
    installed: Installed, tmp_path: Path, file: Path
) -> None:
    done = installed.run("run", "webserver", home=tmp_path, status=1, ASTRONOMER_CERTIFIED_FILE=str(tmp_path / "no"))
    assert f"no environment file in {tmp_path}/no; astronomer-certified init writes one" in done.stderr
    file.write_text("A=a b\n")
    done = installed.run("run", "--file", file, "webserver", home=tmp_path, status=1)
    assert "line 1: 'b' needs double quotes" in done.stderr


def test_an_installation_without_airflow_says_so(installed: Installed, tmp_path: Path, file: Path) -> None:
    kept = installed.airflow.read_text()
    installed.airflow.unlink()
    try:
        done = installed.run("run", "--file", file, "webserver", home=tmp_path, status=1, PATH="/nowhere")
    finally:
        executable(installed.airflow, kept)
    assert f"no program airflow in {installed.folder}/bin or on PATH" in done.stderr


# --- units


def unit(folder: Path, name: str) -> dict[str, list[str]]:
    """The settings of a unit, each with its values."""
    found: dict[str, list[str]] = {}
    for line in (folder / name).read_text().splitlines():
        if match := re.fullmatch(r"(\w+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


@pytest.mark.needs("systemd-analyze")
def test_systemd_has_nothing_to_say_about_the_units(installed: Installed, tmp_path: Path, file: Path) -> None:
    file.write_text(CELERY.replace("/srv/airflow", '"/srv/air flow;100%"'))
    installed.run("units", tmp_path / "units", "--file", file, home=tmp_path)
    units = sorted((tmp_path / "units").iterdir())
    assert [path.name for path in units] == [*NAMES, "airflow.target"]
    words = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *units]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.needs("systemd-analyze")
def test_the_documentation_quotes_what_systemd_says_of_their_security(
    installed: Installed, tmp_path: Path, file: Path
) -> None:
    installed.run("units", tmp_path / "units", "--file", file, home=tmp_path)
    page = (ROOT / "docs" / "platform-users.md").read_text(encoding="utf-8")
    [quoted] = re.findall(r"`systemd-analyze security` gives\s+each of the four (\d\.\d)", page)
    for name in NAMES:
        words = ["systemd-analyze", "security", "--offline=true", "--no-pager", tmp_path / "units" / name]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        [found] = re.findall(r"Overall exposure level for .*: (\d\.\d)", done.stdout)
        # Newer systemds look at more; nobody may be worse off than told.
        assert float(found) <= float(quoted), done.stdout


def test_the_units_run_the_services_with_the_file_and_few_rights(
    installed: Installed, tmp_path: Path, file: Path
) -> None:
    file.write_text(CELERY + "AIRFLOW__LOGGING__BASE_LOG_FOLDER=/var/log/airflow\n")
    done = installed.run("units", tmp_path / "units", "--file", file, home=tmp_path)
    airflow = installed.airflow
    for name, words in (
        ("webserver", "webserver"), ("scheduler", "scheduler"), ("worker", "celery worker"), ("flower", "celery flower")
    ):  # fmt: skip
        found = unit(tmp_path / "units", f"airflow-{name}.service")
        assert found["ExecStart"] == [f"{airflow} {words} --pid /run/airflow-{name}/{name}.pid"]
        assert found["EnvironmentFile"] == [str(file)]
        assert found["RuntimeDirectory"] == [f"airflow-{name}"]
        assert found["User"] == ["astro"]
        assert found["ReadWritePaths"] == ["/srv/airflow /var/log/airflow"]
        for key, value in (
            ("NoNewPrivileges", "yes"), ("ProtectSystem", "strict"), ("PrivateTmp", "yes"), ("KillMode", "mixed")
        ):  # fmt: skip
            assert found[key] == [value]
        assert found["Environment"][0].startswith(f'"PATH={airflow.parent}:')
    assert (
        "Environment=AIRFLOW__CELERY__FLOWER_HOST=127.0.0.1" in (tmp_path / "units/airflow-flower.service").read_text()
    )
    assert "systemctl enable --now airflow.target airflow-webserver airflow-scheduler airflow-worker" in done.stderr


def test_a_unit_that_somebody_changed_stays(installed: Installed, tmp_path: Path, file: Path) -> None:
    folder = tmp_path / "units"
    installed.run("units", folder, "--file", file, home=tmp_path)
    # Once more changes nothing.
    installed.run("units", folder, "--file", file, home=tmp_path)
    changed = folder / "airflow-worker.service"
    changed.write_text("mine\n")
    (folder / "airflow-flower.service").unlink()

    done = installed.run("units", folder, "--file", file, home=tmp_path, status=1)
    assert f"{changed} is there and says something else; --force replaces it" in done.stderr
    assert not (folder / "airflow-flower.service").exists()

    installed.run("units", folder, "--file", file, "--force", home=tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*NAMES, "airflow.target", "airflow-worker.service.before-1"]
    )
    assert (folder / "airflow-worker.service.before-1").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("AIRFLOW_HOME=usr/local/airflow\n", "AIRFLOW_HOME is 'usr/local/airflow', no whole path"),
        ("MINE=1\n", "AIRFLOW_HOME is '', no whole path"),
        ("AIRFLOW_HOME=/srv\nASTRONOMER_USER=0day\n", "ASTRONOMER_USER is '0day', which is no name of a user"),
        ('AIRFLOW_HOME="/srv/a\nb"\n', "which systemd takes in no path"),
    ],
)
def test_settings_that_no_unit_can_have_are_refused(
    installed: Installed, tmp_path: Path, file: Path, text: str, said: str
) -> None:
    file.write_text(text)
    done = installed.run("units", tmp_path / "units", "--file", file, home=tmp_path, status=1)
    assert said in done.stderr
    assert not (tmp_path / "units").exists()
