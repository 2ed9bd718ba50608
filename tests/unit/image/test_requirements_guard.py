"""What a project may ask for in an image: anything but another Airflow, however it is written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from programs import FILES, program

guard = program("requirements_guard")

REFUSED = [
    "apache-airflow",
    "apache-airflow==2.2.0",
    "Apache_Airflow>=2",
    "apache.airflow",
    "apache--airflow",
    "apache-airflow[celery,postgres]==2.1.0",
    "apache-airflow ; python_version >= '3.6'",
    "  apache-airflow  # a comment",
    "apache-\\\nairflow==1.0",
    "apache-airflow @ https://example.invalid/a.whl",
    "https://example.invalid/apache_airflow-2.2.0-py3-none-any.whl",
    "https://example.invalid/apache-airflow-2.2.0.tar.gz#sha256=00",
    "https://example.invalid/apache%2Dairflow-2.2.0.tar.gz",
    "git+https://example.invalid/apache/airflow.git@main#egg=apache-airflow",
    "git+https://example.invalid/x.git#egg=Apache_Airflow[celery]",
    "./apache_airflow-2.2.0-py3-none-any.whl",
    "apache-airflow-2.2.0.tar.gz",
    "/srv/apache-airflow",
    "-e git+https://example.invalid/apache/airflow.git@main",
    "-e./apache-airflow",
    "--editable=/srv/airflow",
    "--editable git+ssh://git@example.invalid/apache/airflow",
    "astronomer-certified==2.1.0.post3",
    "astronomer_certified[default]",
    "apache-airflow==2.1.0 --hash=sha256:00",
]

ALLOWED = [
    "apache-airflow-providers-slack",
    "apache-airflow-providers-amazon==1.3.0 # apache-airflow is not asked for",
    "pandas>=1",
    "# apache-airflow",
    "",
    "airflow-exporter @ https://example.invalid/airflow_exporter-1.0-py3-none-any.whl",
    "git+https://example.invalid/acme/our-operators.git@v1#egg=our-operators",
    "./wheels/ours-1.0-py3-none-any.whl",
    "--index-url https://example.invalid/simple/",
    "--extra-index-url https://example.invalid/apache-airflow/simple/",
    "requests --hash=sha256:00",
]


@pytest.mark.parametrize("line", REFUSED)
def test_another_airflow_is_refused_in_any_spelling(tmp_path: Path, line: str) -> None:
    (tmp_path / "requirements.txt").write_text(f"pandas\n{line}\n", encoding="utf-8")
    with pytest.raises(guard.Refused, match=r"line [12]: .*another Airflow"):
        guard.check(str(tmp_path / "requirements.txt"))


def test_a_byte_order_mark_hides_no_first_line(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("\ufeffapache-airflow\n", encoding="utf-8")
    with pytest.raises(guard.Refused):
        guard.check(str(tmp_path / "requirements.txt"))


@pytest.mark.parametrize("line", ALLOWED)
def test_everything_else_is_left_to_pip(tmp_path: Path, line: str) -> None:
    (tmp_path / "requirements.txt").write_text(f"{line}\n", encoding="utf-8")
    guard.check(str(tmp_path / "requirements.txt"))


@pytest.mark.parametrize("option", ["-r more/a.txt", "-rmore/a.txt", "--requirement=more/a.txt", "-c more/a.txt"])
def test_files_that_are_named_are_read_too_from_where_they_are(tmp_path: Path, option: str) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "requirements.txt").write_text(f"{option}\n")
    (tmp_path / "more" / "a.txt").write_text("-r b.txt\n")
    (tmp_path / "more" / "b.txt").write_text("-r a.txt\nAPACHE_AIRFLOW\n")
    with pytest.raises(guard.Refused, match=r"b\.txt, line 2"):
        guard.check(str(tmp_path / "requirements.txt"))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("-r https://example.invalid/r.txt", "is not read from elsewhere"),
        ("-r nowhere.txt", "cannot be read"),
        ("-r", "without what it is for"),
        ("-e 'unclosed", "No closing quotation"),
    ],
)
def test_what_cannot_be_looked_into_is_refused(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / "requirements.txt").write_text(f"{line}\n")
    with pytest.raises(guard.Refused, match=why):
        guard.check(str(tmp_path / "requirements.txt"))


def test_it_ends_with_one_line_and_asks_pip_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("apache-airflow\n")
    words = [sys.executable, "-I", str(FILES / "requirements_guard.py"), str(tmp_path / "requirements.txt")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "take the line out" in done.stderr
