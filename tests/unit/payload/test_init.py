"""`astronomer-certified init`: a file with which services start, and never one key less than before."""

from __future__ import annotations

import base64
import os
import re
import stat
from pathlib import Path

import pytest
from payload_fixtures import Installed, system_file
from test_environment import by_shell, by_systemd, with_both

from astronomer_certified.payload import environment, settings
from astronomer_certified.payload.refusals import Refused

POSTGRES = "postgresql://airflow:s3 cret'$x@db/airflow"


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def values(path: Path) -> dict[str, str]:
    return {name: value for name, (value, _) in environment.read(str(path)).items()}


def test_a_first_file_has_keys_of_its_own_and_is_for_its_owner_only(installed: Installed, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for path in (first, second):
        assert installed.run("init", "--file", path, "--home", "/srv/airflow", home=tmp_path).stdout == f"{path}\n"

    found, other = values(first), values(second)
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert len(base64.urlsafe_b64decode(found[settings.FERNET_KEY])) == 32
    assert re.fullmatch("[0-9a-f]{60}", found[settings.SECRET_KEY])
    assert found[settings.FERNET_KEY] != other[settings.FERNET_KEY]
    assert found[settings.SECRET_KEY] != other[settings.SECRET_KEY]
    assert found[settings.HOME] == "/srv/airflow"
    assert found[settings.DATABASE] == "sqlite:////srv/airflow/airflow.db"
    assert found[settings.EXECUTOR] == "SequentialExecutor"
    assert listed(tmp_path) == ["first", "second"]


def test_the_executor_follows_from_database_and_broker(installed: Installed, tmp_path: Path) -> None:
    path = tmp_path / "celery"
    installed.run("init", "--file", path, "--database", POSTGRES, "--broker", "rediss://:p@r:6379/0", home=tmp_path)
    found = values(path)
    assert found[settings.EXECUTOR] == "CeleryExecutor"
    assert found[settings.DATABASE] == POSTGRES
    assert found[settings.RESULTS] == f"db+{POSTGRES}"
    assert found[settings.BROKER] == "rediss://:p@r:6379/0"

    path = tmp_path / "local"
    installed.run("init", "--file", path, "--database", POSTGRES, home=tmp_path)
    assert values(path)[settings.EXECUTOR] == "LocalExecutor"


@with_both
def test_what_is_written_means_the_same_to_systemd_and_to_a_shell(installed: Installed, tmp_path: Path) -> None:
    path = tmp_path / "file"
    installed.run("init", "--file", path, "--home", tmp_path / "a b#ü", "--database", POSTGRES, home=tmp_path)
    assert values(path)[settings.DATABASE] == POSTGRES
    assert by_systemd(path) == by_shell(path) == values(path)


def test_a_file_that_is_there_is_left_alone(installed: Installed, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("MINE=1\n")
    done = installed.run("init", "--file", path, home=tmp_path, status=1)
    assert done.stderr.startswith(f"astronomer-certified: {path} is there; --force")
    assert path.read_text() == "MINE=1\n"
    assert listed(tmp_path) == ["file"]


def test_force_keeps_a_copy_the_keys_and_own_variables(installed: Installed, tmp_path: Path) -> None:
    path = tmp_path / "file"
    installed.run("init", "--file", path, home=tmp_path)
    first = path.read_text()
    path.write_text(first + 'MINE="a b\nc"\n')
    path.chmod(0o644)

    done = installed.run("init", "--file", path, "--database", POSTGRES, "--force", home=tmp_path)
    installed.run("init", "--file", path, "--force", home=tmp_path)

    found = values(path)
    assert found["MINE"] == "a b\nc"
    keys = (settings.FERNET_KEY, settings.SECRET_KEY)
    assert [found[key] for key in keys] == [values(tmp_path / "file.before-1")[key] for key in keys]
    assert (tmp_path / "file.before-1").read_text() == first + 'MINE="a b\nc"\n'
    assert values(tmp_path / "file.before-2")[settings.DATABASE] == POSTGRES
    assert f"the file before is {path}.before-1" in done.stderr
    for name in ("file", "file.before-1", "file.before-2"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert len(listed(tmp_path)) == 3


def test_keys_that_airflow_made_are_taken_over(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg").write_text(
        "[core]\nfernet_key = ab%%cd=\nexecutor = LocalExecutor\n[webserver]\nsecret_key = temporary_key\n"
    )
    done = installed.run("init", "--home", tmp_path, "--file", tmp_path / "file", home=tmp_path)
    found = values(tmp_path / "file")
    assert found[settings.FERNET_KEY] == "ab%cd="
    assert found[settings.SECRET_KEY] != "temporary_key"
    assert "executor = LocalExecutor there; SequentialExecutor counts" in done.stderr


def test_a_key_that_a_command_tells_is_not_overruled_by_a_new_one(installed: Installed, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("AIRFLOW__CORE__FERNET_KEY_CMD=/usr/local/bin/key\n")
    installed.run("init", "--file", path, "--force", home=tmp_path)
    assert settings.FERNET_KEY not in values(path)
    assert values(path)[f"{settings.FERNET_KEY}_CMD"] == "/usr/local/bin/key"


def test_without_a_path_it_is_where_services_look_for_it(installed: Installed, tmp_path: Path) -> None:
    named = tmp_path / "folder" / "named"
    installed.run("init", home=tmp_path, ASTRONOMER_CERTIFIED_FILE=str(named))
    done = installed.run("env", home=tmp_path, ASTRONOMER_CERTIFIED_FILE=str(named))
    assert "AIRFLOW_HOME=" in done.stdout


def test_for_root_that_is_the_systems_file_and_for_others_airflows_folder(installed: Installed, tmp_path: Path) -> None:
    root = os.geteuid() == 0
    where = system_file(installed.folder) if root else tmp_path / "airflow" / "astronomer-certified"
    assert installed.run("init", home=tmp_path).stdout == f"{where}\n"
    try:
        assert str(where) in installed.run("env", home=tmp_path).stdout
    finally:
        where.unlink()


REFUSED = [
    (["--executor", "CeleryExecutor", "--database", POSTGRES], "CeleryExecutor without a broker: name one, --broker"),
    (["--executor", "LocalExecutor"], "LocalExecutor with SQLite: Airflow refuses it. Choose SequentialExecutor"),
    (["--broker", "redis://r/0"], "CeleryExecutor with SQLite"),
    (
        ["--executor", "LocalExecutor", "--database", POSTGRES, "--broker", "redis://r/0"],
        "LocalExecutor uses no broker",
    ),
    (["--executor", "Celery"], "Airflow 2.1.0 has no Celery; choose one of CeleryExecutor, CeleryKubernetesExecutor"),
    (["--executor", "MesosExecutor"], "Airflow 2.1.0 has no MesosExecutor"),
    (["--database", "oracle://db/a"], "a database at oracle://: choose one of mysql://"),
    (["--database", "postgres://db/a"], "write postgresql://"),
    (["--database", "postgresql://u:hidden@db"], "the address of the database names none"),
    (["--database", "u:hidden@db"], "a database at an address without ://"),
    (["--database", "sqlite:///airflow.db"], "a SQLite file needs its whole path"),
    (["--database", "postgresql://db/a\x1b"], "the control character"),
    (["--database", POSTGRES, "--broker", "http://u:hidden@r"], "a broker at http://: choose one of amqp://"),
    (["--database", POSTGRES, "--broker", "sentinel://a;hidden"], "a broker at an address without ://"),
    (["--home", "usr/local/airflow"], "--home usr/local/airflow is no whole path"),
    (["--home", "/srv/$x"], "which Airflow reads as something else"),
]


@pytest.mark.parametrize(("words", "said"), REFUSED, ids=[" ".join(words) for words, _ in REFUSED])
def test_what_cannot_work_is_refused_with_what_to_choose(
    installed: Installed, tmp_path: Path, words: list[str], said: str
) -> None:
    done = installed.run("init", "--file", tmp_path / "file", *words, home=tmp_path, status=1)
    assert done.stderr.startswith("astronomer-certified: ")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "hidden" not in done.stderr
    assert listed(tmp_path) == []


@pytest.mark.parametrize(
    ("executor", "airflow", "known"),
    [
        ("CeleryKubernetesExecutor", (1, 10, 15), False),
        ("CeleryKubernetesExecutor", (2, 0, 0), True),
        ("MesosExecutor", (1, 10, 7), True),
        ("DebugExecutor", (1, 10, 7), True),
        ("mine.executors.Mine", (2, 1, 0), True),
        ("../mine", (2, 1, 0), False),
    ],
)
def test_an_executor_is_known_to_the_airflow_that_has_it(executor: str, airflow: tuple[int, ...], known: bool) -> None:
    if known:
        settings.check_executor(executor, airflow)
    else:
        with pytest.raises(Refused, match="choose one of"):
            settings.check_executor(executor, airflow)


def test_force_refuses_a_file_whose_keys_it_cannot_read(installed: Installed, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("AIRFLOW__CORE__FERNET_KEY=a b\n")
    done = installed.run("init", "--file", path, "--force", home=tmp_path, status=1)
    assert "line 1: 'b' needs double quotes. Put it right or move it away" in done.stderr
    assert path.read_text() == "AIRFLOW__CORE__FERNET_KEY=a b\n"
    assert listed(tmp_path) == ["file"]


def test_an_airflow_cfg_that_cannot_be_read_is_told(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg").write_text("no section\n")
    done = installed.run("init", "--home", tmp_path, "--file", tmp_path / "file", home=tmp_path, status=1)
    assert f"{tmp_path}/airflow.cfg: its keys cannot be read" in done.stderr
    assert not (tmp_path / "file").exists()


def test_a_folder_that_is_no_folder_is_told(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = installed.run("init", "--file", tmp_path / "file" / "x", home=tmp_path, status=1)
    assert f"{tmp_path}/file cannot be made: File exists" in done.stderr


def test_a_missing_or_broken_release_is_told_with_what_to_do(tmp_path: Path, installed: Installed) -> None:
    record = installed.site / "astronomer_certified" / "release.json"
    whole = record.read_bytes()
    try:
        for broken in (None, b"{", b"[]", b"1", b'{"tag": "2.1.0-4"}', b"\xff"):
            record.unlink()
            if broken is not None:
                record.write_bytes(broken)
            else:
                record.symlink_to("nowhere")
            for words in (["version"], ["init", "--file", str(tmp_path / "file")]):
                done = installed.run(*words, home=tmp_path, status=1)
                assert f"{record}: " in done.stderr
                assert "install astronomer-certified again" in done.stderr
    finally:
        record.unlink()
        record.write_bytes(whole)
    assert listed(tmp_path) == []
