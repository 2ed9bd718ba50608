"""The `astronomer-certified` command, on what a wheel would carry."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from payload_fixtures import Installed

from astronomer_certified.payload import command


def test_env_says_what_the_file_sets_and_where_without_secrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("AIRFLOW_HOME=/srv/airflow\nAIRFLOW__CORE__FERNET_KEY=abc\nASTRONOMER_UID=5000\n")
    monkeypatch.setenv("ASTRONOMER_UID", "6000")
    for name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
        monkeypatch.delenv(name)

    assert command.main(["env", "--file", str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"AIRFLOW_HOME=/srv/airflow  ({path}:1)",
        f"AIRFLOW__CORE__FERNET_KEY=***  ({path}:2)",
        f"ASTRONOMER_UID=5000  ({path}:3; another value in this shell)",
    ]


@pytest.mark.parametrize(("text", "said"), [("A=a b\n", "line 1: 'b' needs double quotes"), (None, "No such file")])
def test_env_refuses_a_file_that_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, said: str
) -> None:
    path = tmp_path / "file"
    if text is not None:
        path.write_text(text)

    assert command.main(["env", "--file", str(path)]) == 1
    assert said in capsys.readouterr().err


def test_env_says_where_it_looked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRONOMER_CERTIFIED_FILE", str(tmp_path / "gone"))
    assert command.main(["env"]) == 1
    # A file that is named but is not there is told by its name.
    assert str(tmp_path / "gone") in capsys.readouterr().err


def test_the_file_that_ships_is_one_that_systemd_and_shells_read_alike(capsys: pytest.CaptureFixture[str]) -> None:
    shipped = Path(command.environment_path())
    assert command.main(["env", "--file", str(shipped)]) == 0
    assert "AIRFLOW_HOME=" in capsys.readouterr().out


def test_env_says_what_only_airflow_cfg_or_only_this_shell_has(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg").write_text(
        "[core]\nexecutor = LocalExecutor\nfernet_key = abc\n[webserver]\nrbac = True\n"
    )
    path = tmp_path / "file"
    path.write_text(f"AIRFLOW_HOME={tmp_path}\n")
    cfg, here = f"{tmp_path}/airflow.cfg", {"AIRFLOW__CORE__EXECUTOR": "CeleryExecutor", "AIRFLOW__X__TOKEN": "abc"}

    lines = installed.run("env", "--file", path, home=tmp_path).stdout.splitlines()
    assert lines == [
        f"AIRFLOW_HOME={tmp_path}  ({path}:1)",
        f"AIRFLOW__CORE__EXECUTOR=LocalExecutor  ({cfg})",
        f"AIRFLOW__CORE__FERNET_KEY=***  ({cfg})",
    ]
    lines = installed.run("env", "--file", path, home=tmp_path, **here).stdout.splitlines()
    assert lines[1:] == [
        "AIRFLOW__CORE__EXECUTOR=CeleryExecutor  (this shell; services do not have it)",
        f"AIRFLOW__CORE__FERNET_KEY=***  ({cfg})",
        "AIRFLOW__X__TOKEN=***  (this shell; services do not have it)",
    ]
