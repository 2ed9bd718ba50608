"""The folder that an image is made from: whole, the same each time, and the same for every builder."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import factories
import pytest
import yaml
from factories import ROOT
from packaging.version import Version

from astronomer_certified.artifacts import Python, Release
from astronomer_certified.errors import UsageError
from astronomer_certified.formats.wheel_files import wheel_at
from astronomer_certified.image import context, suites
from astronomer_certified.image.context import Image, OwnBase, Wheels

SHIPPED = (ROOT / "src" / "astronomer_certified" / "payload" / "astronomer-certified").read_text(encoding="utf-8")


def image(**changes: Any) -> Image:
    made = Image(
        release=Release(upstream=Version("2.1.0"), revision=4),
        suite=suites.find("buster"),
        python=Python(3, 7),
        base="python:3.7-slim-buster",
        epoch=1_600_000_000,
        environment=context.defaults(SHIPPED),
    )
    return replace(made, **changes)


def test_tags_are_those_of_the_document() -> None:
    made = image()
    assert context.tags(made.release, made.suite) == ("2.1.0-4-buster", "2.1.0-buster")
    assert context.tags(made.release, made.suite, onbuild=True) == ("2.1.0-4-buster-onbuild", "2.1.0-buster-onbuild")


def test_the_environment_is_that_of_the_shipped_file_and_says_what_is_in_the_image() -> None:
    text = context.containerfile(image(user="airflow", uid=50000, python=Python(3, 8)))
    for line in (
        'AIRFLOW_HOME="/usr/local/airflow"', 'ASTRONOMER_USER="airflow"', 'ASTRONOMER_UID="50000"',
        'PYTHON_MAJOR_MINOR_VERSION="3.8"', 'AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION="True"',
    ):  # fmt: skip
        assert line in text
    assert "FERNET_KEY" not in text  # a key that everybody has is none
    assert "\nUSER 50000\n" in text


def test_a_dollar_in_a_value_begins_no_variable() -> None:
    text = context.containerfile(image(environment={"AIRFLOW_HOME": "/a", "X": 'a"$b\\c'}))
    assert 'X="a\\"\\$b\\\\c"' in text


def test_no_word_of_the_containerfile_is_left_and_none_is_known_to_one_builder_only() -> None:
    for text in (context.containerfile(image()), context.onbuild(image())):
        assert not re.search(r"\{\w+\}", text)
        assert not re.search(r"--mount|--chmod|<<", text)
    assert "FROM python:3.7-slim-buster AS system" in context.containerfile(image())
    assert "FROM system AS wheels" in context.containerfile(image())


def test_the_same_makes_the_same_and_wheels_are_pinned_by_their_bytes(tmp_path: Path) -> None:
    wheel = factories.wheel(tmp_path / "demo-1.0-py3-none-any.whl", {"demo.py": "x = 1\n"})
    other = factories.wheel(tmp_path / "other-2.0-py3-none-any.whl", {"other.py": "x = 2\n"})
    wheels = Wheels(own=(wheel_at(wheel),), others=(wheel_at(other),))
    system = tmp_path / "base.tar"
    system.write_bytes(b"tar")
    made = image(base=OwnBase(system=system, python=system, full_version="3.8.18"), suite=suites.find("bookworm"))
    for name in ("one", "two"):
        context.write(tmp_path / name, made, wheels, "demo==1.0\n", b"{}")
    assert factories.tree(tmp_path / "one") == factories.tree(tmp_path / "two")
    # What a revision changes is apart: layers of the rest stay as they are.
    for folder, name, path in (("own", "demo==1.0", wheel), ("wheels", "other==2.0", other)):
        requirements = (tmp_path / "one" / folder / "requirements.txt").read_text()
        assert requirements == f"{name} --hash=sha256:{factories.digest(path)}\n"
        assert sorted(item.name for item in (tmp_path / "one" / folder).iterdir()) == [path.name, "requirements.txt"]
    text = (tmp_path / "one" / "Containerfile").read_text()
    assert "FROM scratch AS system\nADD base.tar /\nADD python.tar /usr/local/\n" in text
    packages = (tmp_path / "one" / "packages.txt").read_text().split()
    assert {"tini", "gosu", "libssl3", "ca-certificates"} < set(packages)
    # A base of a registry has its own Python, and so what that needs.
    assert "libsqlite3-0" not in context.packages(image())
    assert (tmp_path / "one" / "files" / "entrypoint").stat().st_mode & 0o111


@pytest.mark.parametrize(
    "changes", [{"user": "root"}, {"user": "a b"}, {"user": "x\nRUN evil"}, {"uid": 0}, {"uid": 70000}]
)
def test_who_can_be_no_user_of_an_image_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        image(**changes)


def written(folder: Path, made: Image, tmp_path: Path) -> Path:
    wheel = wheel_at(factories.wheel(tmp_path / "demo-1.0-py3-none-any.whl", {"demo.py": "1\n"}))
    folder.mkdir()
    context.write(folder, made, Wheels(own=(wheel,), others=()), "demo==1.0\n", b"{}")
    return folder


def test_an_image_that_was_given_a_name_has_it_everywhere(tmp_path: Path) -> None:
    name = "example.org:5000/team/airflow:mine-1"
    made = image(given_name=name)
    assert made.names() == (name,)
    assert made.names(onbuild=True) == (f"{name}-onbuild",)
    assert image().names() == ("ap-airflow:2.1.0-4-buster", "ap-airflow:2.1.0-buster")
    folder = written(tmp_path / "context", made, tmp_path)
    assert f"ARG IMAGE={name}\n" in (folder / "Containerfile.onbuild").read_text()
    assert f"${{AIRFLOW_IMAGE:-{name}}}" in (folder / "compose.yaml").read_text()
    values = yaml.safe_load((folder / "helm-values.yaml").read_text())
    assert (values["defaultAirflowRepository"], values["defaultAirflowTag"]) == tuple(name.rsplit(":", 1))


@pytest.mark.parametrize("name", ["airflow", "Airflow:1", "-airflow:1", "a:b:c", "air flow:1", "a:1\nRUN evil", "a:"])
def test_a_name_that_no_image_can_have_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of an image"):
        image(given_name=name)


@pytest.mark.parametrize(("upstream", "celery"), [("1.10.15", ["airflow"]), ("2.1.0", ["airflow", "celery"])])
def test_services_run_the_image_with_the_words_of_its_version(tmp_path: Path, upstream: str, celery: list[str]) -> None:
    made = image(release=Release(upstream=Version(upstream), revision=4))
    stated = yaml.safe_load((written(tmp_path / "context", made, tmp_path) / "compose.yaml").read_text())
    services = stated["services"]
    assert services["worker"]["command"] == [*celery, "worker"]
    assert services["flower"]["command"] == [*celery, "flower"]
    ours = {name: service for name, service in services.items() if name not in ("postgres", "redis")}
    assert {service["image"] for service in ours.values()} == {f"${{AIRFLOW_IMAGE:-ap-airflow:{upstream}-4-buster}}"}
    # No key and no password has a default that all would share.
    assert ours["webserver"]["environment"]["AIRFLOW__CORE__FERNET_KEY"].startswith("${FERNET_KEY:?")
    assert ours["webserver"]["environment"]["AIRFLOW__WEBSERVER__SECRET_KEY"].startswith("${SECRET_KEY:?")
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"].startswith("${POSTGRES_PASSWORD:?")
    assert [port for service in services.values() for port in service.get("ports", [])] == [
        "${WEBSERVER_PORT:-127.0.0.1:8080}:8080", "${FLOWER_PORT:-127.0.0.1:5555}:5555",
    ]  # fmt: skip
    # The database is migrated by one container, once, and nobody begins before.
    migrating = [name for name, service in ours.items() if "_AIRFLOW_DB_UPGRADE" in service["environment"]]
    assert migrating == ["migrate"]
    for name in ours.keys() - {"migrate"}:
        assert ours[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_the_official_chart_is_told_what_the_image_is(tmp_path: Path) -> None:
    old = image(release=Release(upstream=Version("1.10.15"), revision=4))
    assert not (written(tmp_path / "old", old, tmp_path) / "helm-values.yaml").exists()  # it is for Airflow 2
    folder = written(tmp_path / "context", image(uid=1234), tmp_path)
    values = yaml.safe_load((folder / "helm-values.yaml").read_text())
    assert (values["defaultAirflowRepository"], values["defaultAirflowTag"]) == ("ap-airflow", "2.1.0-4-buster")
    assert (values["airflowVersion"], values["airflowHome"], values["uid"]) == ("2.1.0", "/usr/local/airflow", 1234)
    # As in the schema of the chart (looked up in one of 2023): the types, and variables with these two keys alone.
    kinds = {"defaultAirflowRepository": str, "defaultAirflowTag": str, "airflowVersion": str, "airflowHome": str}
    kinds |= {"uid": int, "gid": int, "executor": str, "env": list}
    assert {name: type(value) for name, value in values.items()} == kinds
    assert values["executor"] in {"LocalExecutor", "CeleryExecutor", "KubernetesExecutor", "CeleryKubernetesExecutor"}
    for variable in values["env"]:
        assert {name: type(value) for name, value in variable.items()} == {"name": str, "value": str}
    # The image's own default goes before airflow.cfg, which the chart writes.
    assert {"name": "AIRFLOW__CORE__EXECUTOR", "value": values["executor"]} in values["env"]


def test_what_airflow_writes_to_in_a_project_is_for_anybody_of_the_group(tmp_path: Path) -> None:
    home, built = tmp_path / "home", tmp_path / "built"
    for folder in (built, *(home / name for name in ("dags", "plugins", "logs/scheduler"))):
        folder.mkdir(parents=True)
    (home / "dags" / "gone.py").symlink_to("nowhere")
    (home / "dags" / "it is.py").touch(0o600)
    (home / "settings.py").touch(0o644)
    for path in (home, *home.rglob("*/")):
        path.chmod(0o755)
    script = ROOT / "src" / "astronomer_certified" / "image" / "files" / "settle-project"
    subprocess.run(["sh", script, built], cwd=home, check=True)
    modes = {path.name: path.lstat().st_mode & 0o777 for path in (home, *home.rglob("*")) if not path.is_symlink()}
    assert {modes.pop(name) for name in ("home", "dags", "plugins", "logs", "scheduler")} == {0o775}
    assert modes == {"it is.py": 0o660, "settings.py": 0o644}
    assert not built.exists()
    # After the project was copied, as that brings its own modes.
    assert re.search(r"ONBUILD COPY .* \. \.\n(.*\n)*ONBUILD RUN .*settle-project", context.onbuild(image()))


@pytest.mark.parametrize("base", ["", " ", "python:3.8\nRUN evil", "python 3.8", "--platform=x"])
def test_what_can_be_no_base_is_refused(base: str) -> None:
    with pytest.raises(UsageError, match="cannot be the base of an image"):
        image(base=base)


def test_whoever_a_base_is_run_by_root_makes_the_image() -> None:
    assert re.search(r"AS system\n(#.*\n)*USER root\n", context.containerfile(image()))


@pytest.fixture
def debian(tmp_path: Path) -> dict[str, str]:
    """An environment of a Debian that has tini, writes down what apt-get is told, and loses no file of this machine."""
    programs = {"dpkg-query": 'case $* in *tini) echo "install ok installed" ;; *) exit 1 ;; esac', "rm": ""}
    programs["apt-get"] = f'echo "$*" >> {tmp_path}/told'
    (tmp_path / "bin").mkdir()
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}


def install_packages(tmp_path: Path, debian: dict[str, str], listed: str) -> tuple[int, str, str]:
    """The status, the packages that apt-get was asked for, and what was complained of."""
    (tmp_path / "packages.txt").write_bytes(listed.encode())
    script = ROOT / "src" / "astronomer_certified" / "image" / "files" / "install-packages"
    words = ["sh", script, "packages.txt"]
    done = subprocess.run(words, cwd=tmp_path, env=debian, capture_output=True, text=True, check=False)
    told = (tmp_path / "told").read_text().splitlines() if (tmp_path / "told").exists() else []
    asked = [line.partition("--no-install-recommends ")[2] for line in told if line.startswith("install")]
    return done.returncode, " ".join(asked), done.stderr


@pytest.mark.parametrize(
    ("listed", "asked"),
    [
        ("# none\n", ""),
        ("tini\n", ""),
        ("git\r\ntini\r\n\r\n", "git"),
        ("g++\nlibstdc++6 # of C++\n", "g++ libstdc++6"),
        ("git=1:2.39.5-0+deb12u2\ncurl/bookworm-updates", "git=1:2.39.5-0+deb12u2 curl/bookworm-updates"),
    ],
)
def test_system_packages_are_asked_for_by_their_names(
    tmp_path: Path, debian: dict[str, str], listed: str, asked: str
) -> None:
    assert install_packages(tmp_path, debian, listed) == (0, asked, "")


@pytest.mark.parametrize("name", ["tini-", "-y", "lib*", "l?b", "Git", "git=1.0-", "../x.deb", "g", "^git", "git;id"])
def test_what_apt_would_take_for_something_else_is_no_package(
    tmp_path: Path, debian: dict[str, str], name: str
) -> None:
    (tmp_path / "library").touch()  # what a pattern of a shell would become
    status, asked, complained = install_packages(tmp_path, debian, f"git\n{name}\n")
    assert (status, asked, complained.count("\n")) == (1, "", 1)
    assert f"{name} in packages.txt is no package" in complained
