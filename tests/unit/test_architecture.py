"""What the source promises about itself: who may import whom, where the outside world is, which words never occur."""

from __future__ import annotations

import ast
import inspect
import socket
import subprocess
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from factories import ROOT

from astronomer_certified import errors

PACKAGE = ROOT / "src" / "astronomer_certified"

# From argv down to the stages; whoever is not here serves the stages and knows none of the above.
LAYERS = (
    ("cli",), ("index_commands",), ("release_notes",), ("workbench",), ("pipeline",), ("evidence",), ("plan",)
)  # fmt: skip
STAGES = {
    "upstream", "series", "wheels", "resolve", "constraints", "certified_wheel", "wheelhouse", "index", "certify",
    "proofs", "revisions",
}  # fmt: skip
RUNNERS = {"steps", "receipts"}

# Each of these has its reason. Whoever adds one writes it down.
STAGES_THAT_MEET = {
    ("wheelhouse", "steps"),  # only for `digest`, the one way in which inputs are hashed
}
DOORS = {
    "subprocess": {"effects", "index.workers"},  # the workers inherit the listening socket
    "socket": {
        "effects",
        "index.server",
        "index.front",
        "index.back",
        "index.workers",
    },  # the index listens, answers, hands over
    # the store is locked across processes that publish and serve, a login while it is made, the audit log for each line
    "fcntl": {"effects", "index.store", "index.credentials", "index.export", "index.audit"},
}
RENAMES = {
    "effects",
    "index.store",  # a published file appears by link(2), which refuses a name that is taken
    "index.export",  # files are linked from export to export; the whole is switched by one rename of a link
    "index.metrics",  # counts for the other workers: read as a whole, and worth no fsync
    "index.credentials",  # the password file is renamed while its own lock is held
    "upstream",  # a download becomes the cached file after its digest was checked
    "wheel_files",  # a wheel becomes the published one in one step
    "workbench.patch_folder",  # a backup goes in one step, before its files do
}
SOCKETS_IN_LIBRARIES = {
    "upstream", "upstream_index", "index.publish", "index.mirror", "index.proxy",  # through `requests`
    "index.app", "index.front", "index.grammar",  # http.HTTPStatus: the names of the numbers, no socket
}  # fmt: skip
# assert for what the code itself guarantees: one is fine, a habit is not.
ASSERTS = 6


@cache
def modules() -> dict[str, Path]:
    """Every module of the tool by dotted name below the package. The payload is a program of its own."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        if relative.parts[0] != "payload":
            found[".".join(relative.with_suffix("").parts).removesuffix(".__init__")] = path
    return found


@cache
def parsed(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


def imported(module: str, *, anywhere: bool) -> Iterator[str]:
    """The modules of ours that a module imports, at its top only or `anywhere` in it."""
    tree = parsed(module)
    inside = [module] if modules()[module].name == "__init__.py" and module != "__init__" else []
    package = [*inside, *module.split(".")[:-1]]
    guarded = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree) if anywhere else ast.iter_child_nodes(tree):
        if not isinstance(node, ast.ImportFrom) or id(node) in guarded:
            continue
        if node.level:
            base = package[: len(package) - node.level + 1]
        elif node.module and node.module.split(".")[0] == "astronomer_certified":
            base = []
        else:
            continue
        below = (node.module or "").removeprefix("astronomer_certified").strip(".")
        start = ".".join([*base, *([below] if below else [])])
        for alias in node.names:
            name = f"{start}.{alias.name}".strip(".")
            yield name if name in modules() else start


def foreign(module: str) -> set[str]:
    """The top names of what a module imports from elsewhere, wherever in it."""
    names = set()
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module.split(".")[0])
    return names


def called(module: str) -> set[str]:
    """Everything that a module calls, as it is written."""
    return {ast.unparse(node.func) for node in ast.walk(parsed(module)) if isinstance(node, ast.Call)}


def owner(module: str) -> str:
    """The stage or helper that a module belongs to: `index` for `index.store`."""
    return module.split(".")[0]


# --- who imports whom


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = {module: set(imported(module, anywhere=True)) - {module} for module in modules()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as err:
        pytest.fail(f"a circle: {' -> '.join(err.args[1])}")


def test_stages_do_not_import_each_other() -> None:
    met = {
        (owner(module), owner(other))
        for module in modules()
        for other in imported(module, anywhere=True)
        if owner(module) in STAGES and owner(other) in STAGES | RUNNERS and owner(module) != owner(other)
    }
    assert met == STAGES_THAT_MEET


def test_what_serves_the_stages_does_not_import_them() -> None:
    above = {module for layer in LAYERS for module in layer} | STAGES
    reaching_up = {
        (module, other)
        for module in modules()
        for other in imported(module, anywhere=True)
        if owner(module) not in above and owner(other) in above
    }
    assert reaching_up == set()


@pytest.mark.parametrize("number", range(len(LAYERS)), ids=lambda number: LAYERS[number][0])
def test_a_layer_is_imported_from_above_only(number: int) -> None:
    above = {module for layer in LAYERS[:number] for module in layer}
    importers = {
        module
        for module in modules()
        if owner(module) not in (*above, *LAYERS[number])
        and any(owner(other) in LAYERS[number] for other in imported(module, anywhere=True))
    }
    assert importers == set()


def test_every_stage_is_there() -> None:
    assert {owner(module) for module in modules()} >= STAGES | RUNNERS | {name for layer in LAYERS for name in layer}


def test_errors_and_artifacts_import_nothing_of_ours() -> None:
    assert [list(imported(module, anywhere=True)) for module in ("errors", "artifacts", "diffs")] == [[], [], []]


def test_the_payload_imports_nothing_but_itself_and_the_standard_library() -> None:
    for path in sorted((PACKAGE / "payload").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level > 1:
                pytest.fail(f"{path.name} imports from outside of the payload: {ast.unparse(node)}")


# --- the outside world


@pytest.mark.parametrize("door", DOORS)
def test_the_outside_world_is_behind_its_doors(door: str) -> None:
    assert {module for module in modules() if door in foreign(module)} == DOORS[door]


def test_no_module_talks_to_the_network_but_those_that_say_so() -> None:
    libraries = {"requests", "urllib3", "http", "httpx", "ftplib", "smtplib", "xmlrpc"}
    assert {module for module in modules() if foreign(module) & libraries} == SOCKETS_IN_LIBRARIES


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

    assert {module for module in modules() if renames(module)} == RENAMES


def test_only_the_command_line_ends_the_program() -> None:
    enders = {"sys.exit", "exit", "quit", "os._exit", "os.abort"}
    found = {module for module in modules() if called(module) & enders}
    raised = {
        module
        for module in modules()
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Raise) and node.exc is not None and "SystemExit" in ast.unparse(node.exc)
    }
    assert found | raised == {"cli"}


def test_nothing_changes_the_folder_or_the_environment_of_the_process() -> None:
    forbidden = {"os.chdir", "os.fchdir", "contextlib.chdir", "os.putenv", "os.environ.update", "os.environ.setdefault"}
    found = {(module, call) for module in modules() for call in called(module) & forbidden}
    for module in modules():
        for node in ast.walk(parsed(module)):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).startswith("os.environ["):
                found.add((module, ast.unparse(node)))
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
    assert found == {"cli"}


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


def test_there_is_no_module_for_what_has_no_name() -> None:
    assert {module.split(".")[-1] for module in modules()}.isdisjoint(
        {"utils", "util", "helpers", "common", "misc", "base"}
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
