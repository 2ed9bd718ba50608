"""The `astronomer-certified` command, on what a wheel would carry."""

from __future__ import annotations

from pathlib import Path

import pytest

from astronomer_certified.payload import command


def test_env_says_what_the_file_sets_and_where_without_secrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("AIRFLOW_HOME=/srv/airflow\nAIRFLOW__CORE__FERNET_KEY=abc\nASTRONOMER_UID=5000\n")
    monkeypatch.setenv("ASTRONOMER_UID", "6000")
    monkeypatch.delenv("AIRFLOW_HOME", raising=False)
    monkeypatch.delenv("AIRFLOW__CORE__FERNET_KEY", raising=False)

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
