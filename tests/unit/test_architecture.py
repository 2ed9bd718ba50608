"""What the source promises about itself: who may import whom, where the outside world is, which words never occur."""

from __future__ import annotations

import ast
import inspect
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from factories import ROOT

from astronomer_certified import errors

PACKAGE = ROOT / "src" / "astronomer_certified"
# The first runs in the environment of the proofs, on their Python; the second on other machines, which have no other
# module of ours.
ELSEWHERE = (PACKAGE / "certify" / "proof_server.py", PACKAGE / "effects" / "on_a_worker.py")

# Every door to the outside, who may open it, and why. Whoever adds one writes the reason down.
DOORS = {
    "subprocess": {
        "effects.processes": "the one place where programs are started",
        "effects.respondents": "programs that answer questions, as quickly as they are asked",
        "index.http.workers": "workers inherit the listening socket",
    },
    "socket": {
        "effects.processes": "finds a free port, and who answers at one",
        "effects.datagrams": "takes statistics that a release in operation sends",
        "index.http.server": "listens",
        "index.http.workers": "shares one listening socket",
    },
    "fcntl": {
        "effects.disk": "the lock of a release, of a download, of a patch folder",
        "index.store.store": "processes that publish and serve agree on one winner",
        "index.store.audit": "one line is one write, whoever else writes",
        "index.copies.static_files": "two exports into one folder",
    },
    "requests": {
        "effects.web": "asks for what a page of another index names, within limits",
        "certify.web_session": "asks the webserver of a release in operation for its pages",
        "source.fetch": "downloads pinned files",
        "source.index_client": "translates what the network did into an error of ours",
        "source.upstream_constraints": "translates what the network did into an error of ours",
        "index.publish": "looks at what is served after an upload",
        "index.api.proxy": "asks upstream on behalf of a client",
        "index.copies.mirror": "copies files of another index",
    },
    "urllib3": {
        "effects.web": "looks at whom a connection has reached",
        "source.index_client": "says how often a request is tried again",
    },
    # urllib.parse takes addresses apart and opens nothing.
    "urllib.request": {"certify.checks": "asks the webserver that it started for /health"},
    # http.HTTPStatus, the names of the numbers: no socket.
    "http.client": {},
    "http.server": {},
    "uvicorn": {
        "index.http.connection": "limits on who stays connected",
        "index.http.server": "runs the application",
    },
    "asyncio": {
        "index.http.app": "answers many at once",
        "index.http.connection": "transports",
        "index.http.from_upstream": "answers that wait for upstream",
        "index.http.messages": "a turn for others between two pieces",
        "index.http.server": "the event loop",
        "index.http.uploads": "bodies come piece by piece",
    },
}
CLOSED = ("httpx", "ftplib", "smtplib", "xmlrpc", "aiohttp", "multiprocessing", "ctypes")
RENAMES = {
    "effects.disk": "a file or folder appears whole: written beside, fsynced, renamed",
    "index.copies.static_files": "files are linked from one to the next; the whole is switched by one rename",
    "index.api.metrics": "counts for the other workers: read as a whole, and worth no fsync",
    "workbench.patch_folder": "a backup goes in one step, before its files do",
}
# assert for what the code itself guarantees: one is fine, a habit is not.
ASSERTS = 6


@cache
def modules() -> dict[str, Path]:
    """Every module of the tool by dotted name below the package. The payload and the process that runs proofs are
    programs of their own."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        programs = relative.parts[0] == "payload" or "files" in relative.parts
        if not programs and path not in ELSEWHERE:
            found[".".join(relative.with_suffix("").parts).removesuffix(".__init__")] = path
    return found


@cache
def parsed(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


def foreign(module: str) -> set[str]:
    """What a module imports from elsewhere, wherever in it, with all that is above it: `urllib`, `urllib.request`."""
    names = set()
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {".".join(name.split(".")[:length]) for name in names for length in range(1, name.count(".") + 2)}


def called(module: str) -> set[str]:
    """Everything that a module calls, as it is written."""
    return {ast.unparse(node.func) for node in ast.walk(parsed(module)) if isinstance(node, ast.Call)}


# --- who imports whom: pyproject.toml says it, import-linter holds it


def test_rooms_import_downwards_only() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_the_process_that_runs_proofs_imports_nothing_of_ours() -> None:
    imports = [
        node for node in ast.walk(ast.parse(ELSEWHERE[0].read_text())) if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    names = {
        node.module if isinstance(node, ast.ImportFrom) else alias.name for node in imports for alias in node.names
    }
    assert names - sys.stdlib_module_names == {"conftest", "pytest"}


def test_the_payload_imports_nothing_but_itself_and_the_standard_library() -> None:
    for path in sorted((PACKAGE / "payload").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level > 1:
                pytest.fail(f"{path.name} imports from outside of the payload: {ast.unparse(node)}")


# --- the outside world


@pytest.mark.parametrize("door", DOORS)
def test_the_outside_world_is_behind_its_doors(door: str) -> None:
    assert {module for module in modules() if door in foreign(module)} == DOORS[door].keys()


@pytest.mark.parametrize("door", CLOSED)
def test_a_door_that_nobody_needs_stays_closed(door: str) -> None:
    assert {module for module in modules() if door in foreign(module)} == set()


def test_no_module_starts_a_process_behind_the_door() -> None:
    forbidden = ("os.system", "os.popen", "os.exec", "os.spawn", "os.posix_spawn", "os.fork", "multiprocessing.")
    found = {(module, call) for module in modules() for call in called(module) if call.startswith(forbidden)}
    assert found == set()


def test_files_are_renamed_only_where_it_is_known_to_be_atomic() -> None:
    def renames(module: str) -> bool:
        for node in ast.walk(parsed(module)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                attribute, arguments = node.func.attr, len(node.args)
                # Path.replace and .rename take one argument, str.replace two.
                if attribute in ("rename", "hardlink_to", "link_to") or (
                    attribute == "replace" and arguments == 1 and not node.keywords
                ):
                    return True
                if ast.unparse(node.func) in ("os.replace", "os.link", "shutil.move"):
                    return True
        return False

    assert {module for module in modules() if renames(module)} == RENAMES.keys()


def test_only_the_command_line_ends_the_program() -> None:
    enders = {"sys.exit", "exit", "quit", "os._exit", "os.abort"}
    found = {module for module in modules() if called(module) & enders}
    raised = {
        module
        for module in modules()
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Raise) and node.exc is not None and "SystemExit" in ast.unparse(node.exc)
    }
    assert found | raised == {"commands.main"}


def test_nothing_changes_the_folder_or_the_environment_of_the_process() -> None:
    forbidden = {"os.chdir", "os.fchdir", "contextlib.chdir", "os.putenv", "os.environ.update", "os.environ.setdefault"}
    found = {(module, call) for module in modules() for call in called(module) & forbidden}
    for module in modules():
        for node in ast.walk(parsed(module)):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).startswith("os.environ["):
                found.add((module, ast.unparse(node)))
    assert found == set()


def in_the_encoding_of_a_terminal(call: ast.Call) -> bool:
    """Whether a call reads or writes text and leaves its encoding to the locale."""
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    name = ast.unparse(call.func).split(".")[-1]
    text = name in ("read_text", "write_text") or given.get("text") == "True"
    if name in ("open", "fdopen", "NamedTemporaryFile"):
        # Other things are opened, too: archives, stores, descriptors. Files have a mode, or are opened with no word.
        words = [ast.literal_eval(word) for word in call.args if isinstance(word, ast.Constant)]
        modes = [word for word in words if isinstance(word, str) and set(word) <= set("rwax+bt")]
        text = "b" not in modes[0] if modes else not call.args
    return text and "encoding" not in given


def test_files_and_what_programs_say_are_in_an_encoding_that_no_terminal_chooses() -> None:
    found = {
        f"{module}:{node.lineno}"
        for module in modules()
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Call) and in_the_encoding_of_a_terminal(node)
    }
    assert found == set()


def test_a_unit_test_cannot_reach_the_network() -> None:
    with socket.socket() as wire, pytest.raises(pytest.fail.Exception, match="a unit test connects to"):
        wire.connect(("192.0.2.1", 80))
    with pytest.raises(pytest.fail.Exception, match="a unit test looks up"):
        socket.create_connection(("index.invalid", 80), timeout=1)


# --- errors


def every_class(module: str) -> Iterator[ast.ClassDef]:
    return (node for node in ast.walk(parsed(module)) if isinstance(node, ast.ClassDef))


def test_every_error_derives_from_the_root() -> None:
    classes = [item for _, item in inspect.getmembers(errors, inspect.isclass) if item.__module__ == errors.__name__]
    assert len(classes) > 10
    assert [item.__name__ for item in classes if not issubclass(item, errors.CertifiedError)] == []


def test_every_error_says_what_it_is() -> None:
    assert [node.name for node in every_class("errors") if not ast.get_docstring(node)] == []


def test_what_was_raised_on_purpose_is_caught_only_where_it_is_meant() -> None:
    """Nobody swallows everything but the command line, which shows it as the bug that it is."""
    found = {
        module
        for module in modules()
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
        and not any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
    }
    # A fault in one answer of the index is that answer's: it is logged, and the next one is answered.
    assert found == {"commands.main", "index.http.app"}


def test_asserts_are_few() -> None:
    asserts = [
        f"{module}:{node.lineno}"
        for module in modules()
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Assert)
    ]
    assert len(asserts) <= ASSERTS, asserts


# --- size, words, names


@pytest.mark.parametrize("module", modules())
def test_no_module_is_longer_than_400_lines(module: str) -> None:
    assert len(modules()[module].read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("module", [module for module in modules() if module != "__init__"])
def test_every_module_says_what_it_is(module: str) -> None:
    assert ast.get_docstring(parsed(module))


@pytest.mark.parametrize("module", modules())
def test_constants_are_explained_above_them(module: str) -> None:
    """In one way everywhere: a comment. A string below, as some tools read it, is for fields of a record."""
    below = [
        node.lineno
        for node in parsed(module).body[1:]
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    ]
    assert below == []


def test_there_is_no_module_for_what_has_no_name() -> None:
    assert {module.split(".")[-1] for module in modules()}.isdisjoint(
        {"utils", "util", "helpers", "common", "misc", "base", "people", "kept", "meanwhile"}
    )


def test_nothing_is_named_for_being_managed() -> None:
    names = {node.name for module in modules() for node in every_class(module)}
    assert {
        name for name in names if name.endswith(("Manager", "Helper", "Context", "Util", "Utils", "Data", "Info"))
    } == set()


def tracked() -> list[Path]:
    """Every file of the repository that git knows, and every new one that it does not ignore."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout.decode().split("\0")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def test_no_file_names_a_registry() -> None:
    """Which index is used is the operator's choice; none is built in."""
    # In halves, so that this file is not one of them.
    python = "py pi.org, python hosted.org, pi wheels.org, ana conda.org"
    others = "npm js.org, npm js.com, ruby gems.org, crates .io, docker .io, quay .io, ghcr .io"
    hosts = f"{python}, {others}".replace(" ", "").split(",")
    found = {
        f"{path.relative_to(ROOT)}: {host}"
        for path in tracked()
        for host in hosts
        if host.encode() in path.read_bytes().lower()
    }
    assert found == set()


def test_no_file_names_a_folder_of_this_machine() -> None:
    folders = [f"{folder}/".encode() for folder in (ROOT, Path.home())]
    found = {str(path.relative_to(ROOT)) for path in tracked() for folder in folders if folder in path.read_bytes()}
    assert found == set()
