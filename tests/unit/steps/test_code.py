"""Staleness is computed: a change in a module makes exactly those steps stale whose code reaches it."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from factories import ROOT
from packaging.version import Version

from astronomer_certified.project import manifest
from astronomer_certified.release.plan import Plan
from astronomer_certified.release.run import Run
from astronomer_certified.steps import code
from astronomer_certified.steps.code import PACKAGE, Modules
from astronomer_certified.steps.progress import Quiet
from astronomer_certified.steps.runner import Step
from astronomer_certified.workspace import Workspace

NAME = PACKAGE.name
OURS = Modules(PACKAGE)


@cache
def every_module() -> dict[str, Path]:
    """Every module of the tool by its full name. What runs in images and in users' environments is no part of it."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] != "payload" and "files" not in parts:
            found[".".join((NAME, *parts)).removesuffix(".__init__")] = path
    return found


def parsed_imports(module: str) -> Iterator[str]:
    """What a module imports of ours, by Python's own parser."""
    path = every_module()[module]
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == NAME)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            if start.split(".")[0] == NAME:
                yield start
                yield from (name for alias in node.names if (name := f"{start}.{alias.name}") in every_module())


@cache
def steps() -> tuple[Step, ...]:
    """Every step of a complete release."""
    here = Workspace.at(ROOT)
    plan = Plan(Run(here, manifest.load(here, Version("2.0.0")), 1, Quiet()))
    return (*plan.making(), *plan.verifying(every=True))


@cache
def modules_of_steps() -> frozenset[str]:
    return frozenset(step.do.__module__ for step in steps())


@pytest.mark.parametrize("module", every_module())
def test_imports_are_found_as_python_finds_them(module: str) -> None:
    parsed = set(parsed_imports(module))
    around = {name for found in (*parsed, f"{module}.x") for name in parents(found)}
    assert OURS.imports(module) == (parsed | around) - {module} | ({module} & OURS.imports(module))


def parents(module: str) -> Iterator[str]:
    parts = module.split(".")
    yield from (".".join(parts[:length]) for length in range(1, len(parts)))


def test_every_step_is_done_by_a_stage() -> None:
    assert {module.rpartition(".")[0] for module in modules_of_steps()} == {f"{NAME}.release.stages"}


def test_a_step_names_the_digest_of_its_code(tmp_path: Path) -> None:
    [fetch] = [step for step in steps() if step.name == "fetch apache-airflow"]
    assert fetch.inputs({})["tool"] == code.digest_of(f"{NAME}.release.stages.fetching")


@pytest.mark.parametrize("module", sorted(frozenset().union(*map(OURS.closure, modules_of_steps()))))
def test_a_change_makes_exactly_those_steps_stale_that_reach_it(module: str, copy: Path) -> None:
    changed = copy / every_module()[module].relative_to(PACKAGE)
    original = changed.read_bytes()
    before = {stage: Modules(copy).digest_of(stage) for stage in modules_of_steps()}
    changed.write_bytes(original + b"# changed\n")
    after = Modules(copy)
    stale = {stage for stage in modules_of_steps() if after.digest_of(stage) != before[stage]}
    changed.write_bytes(original)

    assert stale == {stage for stage in modules_of_steps() if module in OURS.closure(stage)}
    assert stale


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package that a test may change, and must put right again."""
    return Path(shutil.copytree(PACKAGE, tmp_path_factory.mktemp("package") / NAME))


@pytest.mark.parametrize(
    ("module", "reached"),
    [
        ("release.stages.wheel", "build.backends"),
        ("release.stages.wheel", "formats.archives"),
        ("release.stages.installing", "pythons.environments"),
        ("build.wheelhouse", "formats.archives"),
        ("build.wheelhouse", "build.backends"),
    ],
)
def test_what_was_forgotten_in_lists_made_by_hand_is_reached(module: str, reached: str) -> None:
    assert f"{NAME}.{reached}" in OURS.closure(f"{NAME}.{module}")


@pytest.mark.parametrize(
    ("module", "apart"),
    [
        # Made, they are what they are: nobody installs anew because a series is read in another way.
        ("release.stages.installing", "patches.series"),
        ("release.stages.installing", "build.wheels"),
        ("release.stages.certified_wheel", "build.backends"),
        ("release.stages.wheel", "certify.install"),
        ("release.stages.fetching", "closure.constraints"),
    ],
)
def test_stages_do_not_reach_what_they_do_not_use(module: str, apart: str) -> None:
    assert f"{NAME}.{apart}" not in OURS.closure(f"{NAME}.{module}")


def test_a_module_that_is_not_there_has_no_digest() -> None:
    with pytest.raises(LookupError, match="no module"):
        OURS.digest_of(f"{NAME}.nothing")


def test_the_digest_tells_names_and_texts_apart(tmp_path: Path) -> None:
    def digest(files: dict[str, str]) -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir()))) / NAME
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text)
        return Modules(folder).digest_of(f"{NAME}.a")

    one = digest({"__init__.py": "", "a.py": f"from {NAME} import b", "b.py": "x = 1\n"})
    other = digest({"__init__.py": "", "a.py": f"from {NAME} import b", "b.py": "x = 2\n"})
    unused = digest({"__init__.py": "", "a.py": f"from {NAME} import b", "b.py": "x = 1\n", "c.py": ""})
    inside = digest(
        {"__init__.py": "", "a.py": f"def f():\n    from {NAME} import (\n  b, # why\n)\n", "b.py": "x = 1"}
    )
    assert one == unused
    assert len({one, other, inside}) == 3
