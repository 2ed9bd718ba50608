"""What the documentation says can be typed, typed: on the fake project, whose version stands in place of 2.1.0.

certification/test_documented_commands.py does the same with what needs real Airflow.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from fake_project import (
    GREETING,
    PATCH,
    PYTHON,
    SDIST,
    UPLOADED,
    VERSION,
    Project,
    Upload,
    Upstream,
    sdist,
    upstreams_own_wheel,
)
from index_fixtures import IndexFolder, make_wheel

from astronomer_certified.effects.processes import clean_environment, free_port
from documented import ROOT, Terminal, make_here, repository_copy

NEXT = "9.9.10"
WHO = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
       for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.invalid"))}  # fmt: skip


FAREWELL = """\
from airflow.greeting import farewell


def test_a_name_is_no_markup():
    assert farewell('<') == 'Good bye, &lt;'
"""


def terminal_in(project: Project, **instead: str) -> Terminal:
    """A terminal in the folder of a project, for somebody whom git knows."""
    make_here(project.root)
    return Terminal(folder=project.root, env=project.environment(**WHO), instead={"2.1.0": VERSION, **instead})


@pytest.fixture
def terminal(project: Project) -> Terminal:
    return terminal_in(project)


@pytest.fixture(scope="module")
def released(template: Project, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """A terminal in a project that is released. What a test changes there, it changes for those after it."""
    terminal = terminal_in(template.copy(tmp_path_factory.mktemp("documented") / "project"))
    assert "NOT DONE" not in terminal.types("certified release 2.1.0").stdout
    return terminal


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """A terminal in a copy of this repository."""
    return Terminal(folder=repository_copy(tmp_path_factory.mktemp("repository") / "copy"), env=clean_environment())


# --- making releases


@pytest.mark.parametrize(
    "command",
    [
        "certified --version",
        "certified --print-completion bash",
        "make build VERSION=2.1.0",
        "certified build 2.1.0",
        "certified wheelhouse 2.1.0",
        "certified publish 2.1.0",
        "certified release 2.1.0 --quiet",
        "certified release 2.1.0 --json",
        "certified release 2.1.0 --require-complete",
        "certified release --all",
        "make release-all",
        "certified release 2.1.0 --every-python",
        "certified prove 2.1.0",
        "certified check",
        "certified check 2.1.0",
        "certified constraints 2.1.0",
        "make constraints VERSION=2.1.0",
        "certified index verify",
        "certified index users list",
        "certified index export public",
        'certified index yank astronomer-certified 2.1.0.post1 --reason "wrong constraints"',
        "certified index yank astronomer-certified 2.1.0.post1 --undo",
        "certified index status astronomer-certified active",
        "certified index publish dist/2.1.0/*.whl",
    ],
)
def test_a_command_works_on_a_release(released: Terminal, command: str) -> None:
    assert released.types(command).stdout.strip()


# --- patches


def test_a_patch_in_ten_minutes(terminal: Terminal, project: Project) -> None:
    project.edit(project.patch, "Bug: none, but this is how it would look", "Bug: none: it is made up")
    source = project.root / "checkouts" / VERSION / "airflow" / "greeting.py"
    terminal.types("certified changelog 2.1.0", "--write")  # what was published before, as in a project of some age
    terminal.types("certified patch checkout 2.1.0")
    text = source.read_text()
    source.write_text(text.replace("'Good bye, ' + name", "'Good bye, ' + html.escape(name)"))
    (project.root / "patches" / "proofs" / "test_farewell.py").write_text(FAREWELL)
    message = project.root / "message"
    fields = "Origin: vendor\nBug: apache/airflow#17468\nProof: test_farewell.py\n"
    message.write_text(f"Escape the name in the farewell\n\nA name is no markup.\n\n{fields}")

    terminal.types("git -C checkouts/2.1.0 commit --all", f"--file {message}")
    exported = terminal.types("certified patch export 2.1.0").stdout
    terminal.types("certified patch lint 2.1.0")
    terminal.types("certified patch lint")
    proven = terminal.types("certified prove 2.1.0").stdout
    listed = terminal.types("certified patch list 2.1.0").stdout
    bumped = terminal.types("certified bump 2.1.0").stdout
    changes = terminal.types("certified changelog 2.1.0").stdout

    assert "added    0002-escape-the-name-in-the-farewell.patch" in exported
    assert "test_farewell.py: 1 tests fail on upstream and pass when patched" in proven
    assert "escape-the-name-in-the-farewell" in listed
    assert bumped == f"{VERSION}-2\n"
    assert "Escape the name in the farewell" in changes


@pytest.fixture
def grown(upstream: Upstream, tmp_path: Path) -> Iterator[Upstream]:
    """The upstream index after a further version, in which the line that the patch is about reads otherwise."""
    members = {}
    with tarfile.open(fileobj=io.BytesIO(upstream.files[SDIST].content)) as tar:
        for entry in tar:
            content = tar.extractfile(entry)
            assert content is not None
            members[entry.name.split("/", 1)[1]] = content.read().replace(VERSION.encode(), NEXT.encode())
    members["airflow/greeting.py"] = GREETING.replace("+ name", "+ str(name)").encode()
    members["setup.py"] = members["setup.py"].replace(
        b"    python_requires",
        b"    classifiers=['Programming Language :: Python :: %s'],\n    python_requires" % PYTHON.encode(),
    )
    members["pyproject.toml"] = b'[build-system]\nrequires = ["setuptools", "wheel"]\n'
    theirs = upstreams_own_wheel(tmp_path / "next", {**members, "airflow/git_version": ".release:7654321\n"})
    new = (
        Upload(
            filename=SDIST.replace(VERSION, NEXT), content=sdist("apache-airflow", NEXT, members), uploaded=UPLOADED
        ),
        Upload(filename=f"apache_airflow-{NEXT}-py3-none-any.whl", content=theirs, uploaded=UPLOADED),
    )
    with Upstream((*upstream.files.values(), *new)) as server:
        yield server


def test_a_new_version_is_drafted_and_a_patch_ported_to_it(template: Project, grown: Upstream, tmp_path: Path) -> None:
    project = template.copy(tmp_path / "project", index_url=grown.url)
    name = PATCH.split("-", 1)[1].removesuffix(".patch")
    terminal = terminal_in(project, **{"2.4.3": NEXT, "2.2.0": NEXT, "CVE-2021-38540": name})
    checkout = project.root / "checkouts" / NEXT

    drafted = terminal.types("certified new 2.4.3")
    assert drafted.stdout.strip() == str(project.root / "patches" / NEXT / "release.toml")
    assert "conflict" in terminal.types("certified patch port --all --to 2.2.0 --dry-run").stdout
    assert not checkout.exists()
    terminal.types("certified patch port CVE-2021-38540 --all", statuses=(1,))
    terminal.types("certified patch port --abort")
    terminal.types("certified patch port CVE-2021-38540 --all", statuses=(1,))
    ours = (checkout / "airflow" / "greeting.py").read_text()
    assert "<<<<<<<" in ours
    text = GREETING.replace("+ name", "+ str(name)").replace(
        "'Hello, ' + str(name)", "'Hello, ' + html.escape(str(name))"
    )
    (checkout / "airflow" / "greeting.py").write_text(text.replace('people."""\n', 'people."""\n\nimport html\n', 1))
    subprocess.run(["git", "add", "--all"], cwd=checkout, check=True)
    done = terminal.types("certified patch port --continue")

    assert f"{name} from {VERSION}" in done.stdout
    assert "proven" in done.stderr
    assert (project.root / "patches" / NEXT / "series").read_text() == f"{PATCH}\n"


# --- the index


@pytest.mark.parametrize("command", ["certified index serve", "certified index serve --workers 2", "certified serve"])
def test_an_index_is_served(released: Terminal, command: str) -> None:
    port = free_port()
    with released.starts(command, f"--port {port}", "--fallback none"):
        assert "astronomer-certified" in answer(f"http://127.0.0.1:{port}/simple/")


def answer(url: str) -> str:
    """What a server says, as soon as it is there."""
    until = time.monotonic() + 20
    while True:
        try:
            return requests.get(url, timeout=10).text
        except requests.ConnectionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def test_users_and_tokens_come_and_go(terminal: Terminal) -> None:
    terminal.types("certified index users add ann", stdin="a long enough password\n")
    token = terminal.types("certified index users token ci --user ci --project 'acme-*' --days 90").stdout
    listed = terminal.types("certified index users list").stdout
    terminal.types("certified index users revoke ci")
    terminal.types("certified index users remove ann")

    assert token.startswith("ac-")
    assert "ann" in listed
    assert "token ci: acme-*" in listed
    assert terminal.types("certified index users list").stdout == ""


def test_a_project_is_copied_from_another_index(terminal: Terminal, index_folder: IndexFolder) -> None:
    make_wheel(index_folder.store, "acme_tools")
    with index_folder.server() as other:
        here = Terminal(
            folder=terminal.folder, env=terminal.env, instead={"https://packages.example/simple/": other.simple_url}
        )
        copied = here.types("certified index mirror https://packages.example/simple/ acme-tools").stdout

    assert copied == "acme_tools-1.0-py3-none-any.whl  copied\n"


@pytest.mark.parametrize(
    ("command", "number"), [("make torture-index", "MOMENTS=2"), ("make fuzz-index", "REQUESTS=100")]
)
def test_the_index_is_ill_treated_a_little(repository: Terminal, command: str, number: str) -> None:
    repository.types(command, number)


# --- this repository


@pytest.mark.parametrize(
    "command",
    [
        "certified releases",
        "certified patch list",
        "certified patch list --count",
        "certified patch list --cve CVE-2021-28359",
        "make releases-page",
        "certified patch list --page > docs/carry-matrix.md",
        "certified patch list --ledger > docs/ledger.md",
        "certified patch list --cve airflow-16326",
        "certified patch list --cve bugs",
        "certified audit",
        "certified audit 2.1.0 --python 3.8 --list",
        "certified audit --page > docs/dependencies.md",
        "certified releases --notices > docs/upgrading.md",
    ],
)
def test_what_is_shown_of_the_releases_is_what_the_pages_show(repository: Terminal, command: str) -> None:
    pages = (
        "releases.md",
        "carry-matrix.md",
        "ledger.md",
        "certificate.schema.json",
        "dependencies.md",
        "upgrading.md",
    )

    printed = repository.types(command).stdout

    assert printed or command.startswith("make ") or " > " in command
    for name in pages:
        assert (repository.folder / "docs" / name).read_text() == (ROOT / "docs" / name).read_text(), (
            "make releases-page"
        )


def test_the_same_runs_before_each_commit(repository: Terminal) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=repository.folder, check=True)

    repository.types(".venv/bin/pre-commit install")

    assert "pre-commit" in (repository.folder / ".git" / "hooks" / "pre-commit").read_text()
