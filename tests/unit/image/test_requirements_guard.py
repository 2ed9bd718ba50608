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
    "# a comment is not joined\\\napache-airflow==2.2.0",
    "apache-airflow==2.2.0\\",
    "apache-air\\\\\nflow==2.2.0",
    "${ANOTHER}==2.2.0",
    "git+https://example.invalid/apache/airflow.git@2.2.0",
    "git+https://example.invalid/Apache/./Airflow@2.2.0",
    "git+ssh://git@example.invalid:apache/airflow.git",
    "-e git://example.invalid/apache/airflow.git@main",
    "https://example.invalid/apache/airflow/archive/2.2.0.zip",
    "https://example.invalid/apache/airflow/archive/refs/tags/v2-2-stable.tar.gz",
    "https://example.invalid/acme/apache-airflow/archive/v2-2.zip",
    "x @ https://example.invalid/apache/airflow/tarball/2.2.0 ; python_version > '3'",
    "git+https://example.invalid/mono.git#subdirectory=lib/apache-airflow",
    "file:/srv/apache-airflow",
    "vendor/apache-airflow",
    "vendor/apache_airflow-2.2.0-py3-none-any.whl[celery]",
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
    "--extra-index-url=https://example.invalid/simple/",
    "--pre",
    "-f https://example.invalid/apache-airflow/",
    "# -*- coding: utf-8 -*-",
    "https://example.invalid/apache-airflow/apache_airflow_providers_http-1.0-py3-none-any.whl",
    "./apache-airflow/apache-airflow-providers-http-1.0.tar.gz",
    "pandas==1.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:01",
    "pandas @ https://example.invalid/pandas-1.0.zip ; python_version > '3'",
    "requests --hash=sha256:00",
]


@pytest.mark.parametrize("line", REFUSED)
def test_another_airflow_is_refused_in_any_spelling(tmp_path: Path, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOTHER", "apache-airflow")
    (tmp_path / "requirements.txt").write_text(f"pandas\n{line}\n", encoding="utf-8")
    with pytest.raises(guard.Refused, match=r"line [123]: .*another Airflow"):
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
        ("-r file:/srv/r.txt", "is not read from elsewhere"),
        ("--pre -r evil.txt", "more than one option"),
        ("-i https://example.invalid/ -r evil.txt", "more than one option"),
        ("-c ok.txt -r evil.txt", "more than one option"),
        ("-r ok.txt -e git+https://example.invalid/x.git#egg=apache-airflow", "more than one option"),
        ("--pre evil", "evil is no option that may stand here"),
        ("pandas -r evil.txt", "--requirement behind a requirement"),
        ("--edit git+https://example.invalid/x.git", "--edit is no option that may stand here"),
        ("--req=evil.txt", "--req is no option that may stand here"),
        ("--pre=yes", "--pre is no option that may stand here"),
        ("-'r' evil.txt --pre", "more than one option"),
        ("--hash=sha256:00", "without a requirement before it"),
        ("# -*- coding: utf-7 -*-", "says that it is not in UTF-8"),
        ("https://[x/y.zip", "line 1: its address cannot be read"),
        ("-r a\0b", "cannot be the name of a file"),
    ],
)
def test_what_cannot_be_looked_into_is_refused(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / "requirements.txt").write_text(f"{line}\n")
    with pytest.raises(guard.Refused, match=why):
        guard.check(str(tmp_path / "requirements.txt"))


def test_it_ends_with_one_line_and_asks_pip_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("apache-airflow\n")
    words = [sys.executable, "-I", str(FILES / "requirements_guard.py"), str(tmp_path / "requirements.txt"), "alone"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "take the line out" in done.stderr


# What the guard tells pip to install is done by this: it does what the file asks for to the Airflow beside it.
PIP = """
import pathlib, sys
home = pathlib.Path(__file__).parent.parent
print("pip", *sys.argv[1:])
for line in pathlib.Path(sys.argv[-1]).read_text().split():
    if line == "another-version":
        (home / "apache_airflow-2.1.0.dist-info").rename(home / "apache_airflow-2.2.0.dist-info")
    if line == "other-code":
        (home / "airflow" / "settings.py").write_text("evil = 1")
    if line == "another-place":
        (home / "aside" / "airflow").mkdir(parents=True)
        (home / "aside" / "airflow" / "__init__.py").touch()
        (home / "evil.pth").write_text(f"import sys; sys.path.insert(0, {str(home / 'aside')!r})")
    if line == "no-airflow":
        (home / "apache_airflow-2.1.0.dist-info" / "RECORD").unlink()
    if line == "a-provider":
        (home / "airflow" / "providers" / "__init__.py").write_text("# that of a provider")
    if line == "fails":
        sys.exit(3)
"""
# Whoever imports it leaves a trace, as Airflow does.
AIRFLOW = "import pathlib; pathlib.Path(__file__).with_name('imported').touch(); version = '2.1.0'"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The folder of packages of an environment, with an Airflow and such a pip."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "environment"], check=True)
    [folder] = (tmp_path / "environment" / "lib").glob("*/site-packages")
    files = {"airflow/__init__.py": AIRFLOW, "airflow/version.py": AIRFLOW, "airflow/settings.py": ""}
    files |= {"airflow/providers/__init__.py": "", "apache_airflow-2.1.0.dist-info/METADATA": "Version: 2.1.0"}
    record = "".join(f"{name},sha256=0,0\n" for name in files)
    for name, text in {**files, "apache_airflow-2.1.0.dist-info/RECORD": record, "pip/__main__.py": PIP}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def guarded(site: Path, when: str) -> subprocess.CompletedProcess[str]:
    """What comes of requirements.txt of the folder above the environment."""
    environment = site.parents[2]
    words = [environment / "bin" / "python", "-I", FILES / "requirements_guard.py", "requirements.txt", when]
    return subprocess.run(words, cwd=environment.parent, capture_output=True, text=True, check=False)


def test_packages_are_installed_and_airflow_is_imported_by_nobody(site: Path, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("pandas\na-provider\n")
    # A file of the project's root is no module of pip.
    (tmp_path / "pip.py").write_text("print('evil')")
    done = guarded(site, "alone")
    assert (done.returncode, done.stdout) == (0, "pip install --no-cache-dir -r requirements.txt\n"), done.stderr
    assert not (site / "airflow" / "imported").exists()


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("another-version", "replaced Airflow 2.1.0 by 2.2.0"),
        ("other-code", "changed files of Airflow 2.1.0"),
        ("another-place", "or put another before it"),
        ("no-airflow", "cannot be read"),
        ("fails", "pip ended with status 3"),
    ],
)
def test_an_airflow_that_came_all_the_same_is_found(site: Path, tmp_path: Path, asked: str, why: str) -> None:
    (tmp_path / "requirements.txt").write_text(f"{asked}\n")
    done = guarded(site, "alone")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert why in done.stderr


@pytest.mark.parametrize(
    "line", ["-r more.txt", "-c more.txt", "-e ./own", "./own-1.0-py3-none-any.whl", "own @ file:own.zip", "-f own"]
)
def test_what_names_files_of_the_project_is_installed_when_they_are_there(
    site: Path, tmp_path: Path, line: str
) -> None:
    (tmp_path / "requirements.txt").write_text(f"{line}\n")
    done = guarded(site, "alone")
    assert (done.returncode, "pip install" in done.stdout) == (0, False), done.stderr
    assert "are installed once these are there" in done.stdout
    (tmp_path / "more.txt").write_text("pandas\n")
    done = guarded(site, "within")
    assert (done.returncode, done.stdout.count("pip install")) == (0, 1), done.stderr
    (tmp_path / "more.txt").write_text("apache-airflow\n")
    (tmp_path / "requirements.txt").write_text("-r more.txt\n")
    done = guarded(site, "within")
    assert (done.returncode, "pip install" in done.stdout) == (1, False)
    # What names none is installed already.
    (tmp_path / "requirements.txt").write_text("pandas\n")
    assert guarded(site, "within").stdout == ""
