"""What is resolved is written down, read back the same, and refused when it belongs to other inputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from factories import ROOT, distribution, manifest, write_tree
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from astronomer_certified.artifacts import (
    Manifest,
    Override,
    PinnedFile,
    Preferences,
    Python,
    Release,
    Resolution,
    ResolvedPin,
    WheelhouseItem,
)
from astronomer_certified.closure import constraints
from astronomer_certified.errors import ConstraintsError

DIGEST = "d" * 64
P36, P37, P38 = Python(3, 6), Python(3, 7), Python(3, 8)


def hash_of(filename: str) -> str:
    return f"{sum(filename.encode()):064x}"


UPLOADED = datetime(2021, 5, 1, 12, tzinfo=UTC)


def pin(name: str, version: str, *files: str) -> ResolvedPin:
    """A pin with these files; a name that ends with .tar.gz is the sdist."""
    project = canonicalize_name(name)
    pinned = [PinnedFile(project=project, filename=file, sha256=hash_of(file)) for file in files]
    return ResolvedPin(
        name=project,
        version=Version(version),
        sdist=next((file for file in pinned if file.filename.endswith(".tar.gz")), None),
        uploaded=UPLOADED,
        requires_python=SpecifierSet(),
        wheels=tuple(file for file in pinned if file.filename.endswith(".whl")),
    )


def resolution(python: Python, *pins: ResolvedPin, core: tuple[str, ...] = ()) -> Resolution:
    """A closure in which the core needs `core` (or everything) and the extra `celery` everything."""
    by_name = {item.name: item for item in sorted(pins, key=lambda item: item.name)}
    return Resolution(
        python=python,
        pins=by_name,
        core=frozenset(canonicalize_name(name) for name in core) or frozenset(by_name),
        extras={"celery": frozenset(by_name), "cncf.kubernetes": frozenset(by_name)},
    )


FLASK = pin("flask", "1.1.4", "Flask-1.1.4-py2.py3-none-any.whl", "Flask-1.1.4.tar.gz")
CELERY = pin("celery", "4.4.7", "celery-4.4.7-py2.py3-none-any.whl")


def written(folder: Path, resolutions: list[Resolution], release: Manifest | None = None, **locks: str) -> Path:
    patched = {canonicalize_name("demo-provider"): "e" * 64}
    files = constraints.rendered(
        release or manifest(),
        DIGEST,
        resolutions,
        patched,
        {f"{name.replace('_', '-')}.txt": text for name, text in locks.items()},
    )
    return write_tree(folder, dict(files))


# --- written and read back


def test_constraints_come_back_as_they_were_written(tmp_path: Path) -> None:
    folder = written(tmp_path, [resolution(python, FLASK, CELERY, core=("flask",)) for python in (P36, P38)])
    first, second = constraints.load(folder, (P36, P38))
    assert (first.python, second.python) == (P36, P38)
    assert first.pins.keys() == {"flask", "celery"}
    assert first.pins[canonicalize_name("flask")].version == Version("1.1.4")
    assert first.pins[canonicalize_name("flask")].sha256 == {
        hash_of("Flask-1.1.4-py2.py3-none-any.whl"),
        hash_of("Flask-1.1.4.tar.gz"),
    }
    assert first.core == {"flask"}
    assert first.extras == {"celery": {"celery"}, "cncf.kubernetes": {"celery"}}


def test_the_files_say_where_they_come_from(tmp_path: Path) -> None:
    repaired = distribution(name=canonicalize_name("demo-provider"), release=Release(Version("1.1.0"), 2))
    reason = "CVE-2021-32805\n(open redirect)"
    release = manifest(
        repairs=(repaired,), overrides=(Override(requirement=Requirement("flask==1.1.4"), reason=reason),)
    )
    folder = written(tmp_path, [resolution(P38, FLASK, pin("demo-provider", "1.1.0+astro.2"))], release)
    assert (folder / "constraints-3.8.txt").read_text() == (
        "# Astronomer Certified of Apache Airflow 2.1.0: the closure of all extras on Python 3.8.\n"
        "# Made by `certified constraints 2.1.0`, resolved by uv as of 2021-05-28; do not edit.\n"
        "# override flask==1.1.4: CVE-2021-32805 (open redirect)\n"
        "# repaired demo-provider==1.1.0+astro.2: patches/demo-provider/1.1.0\n"
        f"# inputs sha256: {DIGEST}\n"
        "demo-provider==1.1.0+astro.2\n"
        "flask==1.1.4\n"
    )
    assert (
        f"demo-provider==1.1.0+astro.2 \\\n    --hash=sha256:{'e' * 64}\n"
        in (folder / "constraints-3.8-hashes.txt").read_text()
    )
    assert len(constraints.load(folder, (P38,))[0].pins) == 2


def test_the_same_inputs_make_the_same_bytes(tmp_path: Path) -> None:
    one, other = resolution(P38, FLASK, CELERY), resolution(P38, CELERY, FLASK)
    first, second = written(tmp_path / "1", [one]), written(tmp_path / "2", [other])
    assert {path.name: path.read_bytes() for path in first.iterdir()} == {
        path.name: path.read_bytes() for path in second.iterdir()
    }


# --- stale, edited, missing

NAMES = (
    "constraints-3.8.txt",
    "constraints-3.8-hashes.txt",
    "extras.json",
    "files.json",
    "build-requirements.txt",
)


def test_current_files_pass(tmp_path: Path) -> None:
    folder = written(tmp_path, [resolution(P38, FLASK)], build_requirements="wheel==0.37.1\n")
    constraints.check_current(folder, DIGEST, NAMES)
    assert {*NAMES, "proof-requirements-3.8.txt"} == set(constraints.file_names((P38,)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("state", ["missing", "of other inputs", "without its inputs", "torn"])
def test_a_file_that_is_not_of_these_inputs_is_refused(tmp_path: Path, name: str, state: str) -> None:
    folder = written(tmp_path / "2.1.0", [resolution(P38, FLASK)], build_requirements="wheel==0.37.1\n")
    path = folder / name
    content = path.read_text()
    if state == "missing":
        path.unlink()
    else:
        changed = {
            "of other inputs": content.replace(DIGEST, "f" * 64),
            "without its inputs": content.replace("inputs", "outputs"),
            "torn": content[: content.index(DIGEST) + 10],
        }
        path.write_text(changed[state])
    with pytest.raises(ConstraintsError) as caught:
        constraints.check_current(folder, DIGEST, NAMES)
    why = (
        "is missing" if state == "missing" else "was made from other inputs than the manifest and its patches state now"
    )
    assert caught.value.what == f"{path} {why}"
    assert caught.value.hint == "run `certified constraints 2.1.0` and commit what it writes"


EDITS: dict[str, Callable[[str], str]] = {
    "another version": lambda text: text.replace("flask==1.1.4", "flask==1.1.5"),
    "a pin too many": lambda text: text + "evil==1\n",
    "a pin too few": lambda text: text.replace("flask==1.1.4\n", ""),
    "another order": lambda text: text.replace("celery==4.4.7\nflask==1.1.4\n", "flask==1.1.4\ncelery==4.4.7\n"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_plain_file_that_differs_from_the_hashed_one_is_refused(tmp_path: Path, edit: Callable[[str], str]) -> None:
    folder = written(tmp_path, [resolution(P38, FLASK, CELERY)])
    path = folder / "constraints-3.8.txt"
    before = path.read_text()
    path.write_text(edit(before))
    assert path.read_text() != before
    with pytest.raises(ConstraintsError, match="name different pins"):
        constraints.load(folder, (P38,))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("flask==1.1.4\n", "flask has no hash"),
        ("flask==1.1.4 --hash=md5:0\n", "flask has no hash"),
        ("flask>=1.1.4 --hash=sha256:0\n", "not a pin: 'flask>=1.1.4'"),
        ("flask --hash=sha256:0\n", "not a pin: 'flask'"),
        ("--index-url x --hash=sha256:0\n", "not a pin: '--index-url'"),
        ("<<<<<<< ours\n", "not a pin: '<<<<<<<'"),
    ],
    ids=["no hash", "another hash", "a range", "no version", "an option", "a merge conflict"],
)
def test_a_hashed_file_holds_pins_with_hashes_and_nothing_else(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "constraints-3.8-hashes.txt"
    path.write_text(f"# comment\n\n{line}")
    with pytest.raises(ConstraintsError) as caught:
        constraints.read_hashed(path)
    assert caught.value.what == f"{path}: {why}"


# --- what a resolution depends on


def test_the_inputs_are_those_that_change_a_resolution() -> None:
    def digest(release: Manifest, patches: dict[str, str] | None = None) -> str:
        return constraints.inputs_digest(release, patches or {})

    first = manifest()
    same = [
        replace(first, pips={Python(3, 8): Version("20.0")}),
        replace(first, path=Path("elsewhere")),
        replace(first, default_extras=frozenset()),
        replace(first, core=replace(first.core, release=Release(Version("2.1.0"), 5))),
    ]
    other = [
        replace(first, cutoff=datetime(2021, 6, 1, tzinfo=UTC)),
        replace(first, pythons=(P38,)),
        replace(first, extras=("celery",)),
        replace(first, providers={canonicalize_name("apache-airflow-providers-ftp"): Version("1.0.1")}),
        replace(first, overrides=(Override(requirement=Requirement("flask==1"), reason="why"),)),
        replace(first, later={canonicalize_name("flask"): datetime(2022, 1, 1, tzinfo=UTC)}),
        replace(first, overrides=(Override(requirement=Requirement("flask==1"), reason="why", pythons=(P38,)),)),
        replace(first, first_patch={P38: 1}),
        replace(first, preferences={P38: Preferences(path=Path("x"), sha256="1", pins={})}),
        replace(first, preferences={P38: Preferences(path=Path("x"), sha256="2", pins={})}),
        replace(first, repairs=(distribution(),)),
        replace(first, core=replace(first.core, build_requires=())),
    ]
    assert {digest(release) for release in same} == {digest(first)}
    assert len({digest(first), *(digest(release) for release in other)}) == 1 + len(other)
    assert digest(first, {"0001.patch": "1"}) != digest(first) != digest(first, {"0001.patch": "2"})


# --- the wheelhouse


def test_a_pin_that_has_wheels_for_every_python_is_left_to_upstream() -> None:
    assert held([resolution(P36, FLASK), resolution(P38, FLASK)]) == ()


def test_a_pin_that_is_an_sdist_only_is_built_once_for_all_pythons() -> None:
    only = pin("termcolor", "1.1.0", "termcolor-1.1.0.tar.gz")
    (item,) = held([resolution(python, only) for python in (P38, P36, P37)])
    assert (item.source.filename, item.build, item.pythons) == ("termcolor-1.1.0.tar.gz", True, (P36, P37, P38))


def test_a_project_that_is_built_for_one_python_is_carried_for_the_others() -> None:
    wheels = [
        "pyrsistent-0.17.3-cp36-cp36m-manylinux2014_x86_64.whl",
        "pyrsistent-0.17.3-cp37-cp37m-macosx_10_9_x86_64.whl",
        "pyrsistent-0.17.3-cp38-cp38-manylinux1_x86_64.whl",
        "pyrsistent-0.17.3-cp38-cp38-win_amd64.whl",
    ]
    mixed = pin("pyrsistent", "0.17.3", *wheels, "pyrsistent-0.17.3.tar.gz")
    items = held([resolution(python, mixed, FLASK) for python in (P36, P37, P38)])
    assert [(item.source.filename, item.build, item.pythons) for item in items] == [
        (wheels[0], False, (P36,)),
        (wheels[2], False, (P38,)),
        ("pyrsistent-0.17.3.tar.gz", True, (P37,)),
    ]


def test_another_version_of_a_built_project_is_carried_as_well() -> None:
    old = pin("dataclasses", "0.7", "dataclasses-0.7.tar.gz")
    new = pin("dataclasses", "0.8", "dataclasses-0.8-py3-none-any.whl")
    items = held([resolution(P36, old), resolution(P38, new)])
    assert [(item.source.filename, str(item.version), item.build) for item in items] == [
        ("dataclasses-0.7.tar.gz", "0.7", True),
        ("dataclasses-0.8-py3-none-any.whl", "0.8", False),
    ]


def test_a_patched_distribution_needs_no_file_of_upstreams() -> None:
    assert held([resolution(P38, pin("demo-provider", "1.1.0+astro.2"))]) == ()


def test_a_pin_without_any_file_for_a_python_is_refused() -> None:
    lost = pin("lost", "1.0", "lost-1.0-cp36-cp36m-manylinux1_x86_64.whl")
    with pytest.raises(ConstraintsError, match=r"lost 1\.0 has neither a wheel for Python 3\.8 on x86_64 nor an sdist"):
        held([resolution(P36, lost), resolution(P38, lost)])


def test_the_wheelhouse_comes_back_as_it_was_planned(tmp_path: Path) -> None:
    closure = [resolution(P38, pin("termcolor", "1.1.0", "termcolor-1.1.0.tar.gz"), FLASK)]
    folder = written(tmp_path, closure)
    assert constraints.load_files(folder) == constraints.plan_files(closure)
    assert json.loads((folder / "files.json").read_text())["inputs"] == DIGEST


BOTH = ("x86_64", "aarch64")


def test_a_pin_is_looked_up_on_every_machine(tmp_path: Path) -> None:
    wheels = [
        "pyrsistent-0.17.3-cp36-cp36m-manylinux2014_aarch64.whl",
        "pyrsistent-0.17.3-cp36-cp36m-manylinux2014_x86_64.whl",
        "pyrsistent-0.17.3-cp38-cp38-manylinux2014_x86_64.whl",
    ]
    mixed = pin("pyrsistent", "0.17.3", *wheels, "pyrsistent-0.17.3.tar.gz")
    closure = [resolution(python, mixed, FLASK) for python in (P36, P37, P38)]

    items = constraints.plan_files(closure, BOTH)

    assert [(item.source.filename, item.build, item.pythons, item.machines) for item in items] == [
        ("Flask-1.1.4-py2.py3-none-any.whl", False, (P36, P37, P38), BOTH),
        (wheels[0], False, (P36,), ("aarch64",)),
        (wheels[1], False, (P36,), ("x86_64",)),
        (wheels[2], False, (P38,), ("x86_64",)),
        ("pyrsistent-0.17.3.tar.gz", True, (P37,), BOTH),
        ("pyrsistent-0.17.3.tar.gz", True, (P38,), ("aarch64",)),
    ]
    for_both = replace(manifest(), machines=BOTH)
    files = constraints.rendered(for_both, DIGEST, closure, {}, {})
    (tmp_path / "files.json").write_text(files["files.json"])
    assert constraints.load_files(tmp_path) == items
    own = [item for item in items if item.source.project != FLASK.name]
    assert list(constraints.wheelhouse_items(projects(items), [items])) == own


def test_of_one_machine_nothing_is_said_as_before_there_were_others(tmp_path: Path) -> None:
    folder = written(tmp_path, [resolution(P38, FLASK)])
    [item] = json.loads((folder / "files.json").read_text())["files"]
    assert sorted(item) == ["build", "file", "project", "pythons", "sha256", "uploaded", "version"]
    digests = {constraints.inputs_digest(replace(manifest(), machines=named), {}) for named in (BOTH, BOTH[:1])}
    assert len(digests) == 2


def projects(items: Iterable[WheelhouseItem]) -> set[NormalizedName]:
    return {item.source.project for item in items}


def held(resolutions: list[Resolution]) -> tuple[WheelhouseItem, ...]:
    """What the index holds when there is no other release."""
    items = constraints.plan_files(resolutions)
    return constraints.wheelhouse_items(projects(items), [items])


def test_a_release_carries_the_wheels_of_all_releases_of_what_one_of_them_builds() -> None:
    built = pin("mixed", "1.0", "mixed-1.0.tar.gz")
    wheel = pin("mixed", "2.0", "mixed-2.0-py3-none-any.whl", "mixed-2.0.tar.gz")
    other = pin("other", "1.0", "other-1.0-py3-none-any.whl")
    older = constraints.plan_files([resolution(P36, built)])
    newer = constraints.plan_files([resolution(P38, wheel, other)])

    for own in (older, newer):
        items = constraints.wheelhouse_items(projects(own), [older, newer])
        assert [(item.source.filename, item.build) for item in items] == [
            ("mixed-1.0.tar.gz", True),
            ("mixed-2.0-py3-none-any.whl", False),
        ]


def test_a_release_carries_the_wheels_of_all_releases_of_what_one_of_them_repairs() -> None:
    provider = NormalizedName("demo-provider")
    repairing = constraints.plan_files([resolution(P36, pin("demo-provider", "1.1.0+astro.1"), FLASK)])
    other = constraints.plan_files(
        [resolution(P38, pin("demo-provider", "1.3.0", "demo_provider-1.3.0-py3-none-any.whl"))]
    )

    for pinned in (projects(other), {*projects(repairing), provider}):
        (item,) = constraints.wheelhouse_items(pinned, [repairing, other], {provider})
        assert item.source.filename == "demo_provider-1.3.0-py3-none-any.whl"
    assert constraints.wheelhouse_items({FLASK.name}, [repairing, other], {provider}) == ()


TOOLCHAIN = f"setuptools==56.2.0 --hash=sha256:{'0' * 64}\n"


@pytest.mark.parametrize("asked", [[], ["setuptools"], ["setuptools<58", "wheel; python_version < '3'"]])
def test_a_toolchain_that_has_what_sources_ask_for_passes(tmp_path: Path, asked: list[str]) -> None:
    (tmp_path / "toolchain.txt").write_text(TOOLCHAIN)

    constraints.check_toolchain(tmp_path / "toolchain.txt", dict.fromkeys(asked, (P38,)))


def test_what_a_source_asks_for_on_an_older_python_counts_where_that_builds_it(tmp_path: Path) -> None:
    (tmp_path / "toolchain.txt").write_text(TOOLCHAIN)
    asked = "importlib-metadata; python_version < '3.8'"

    constraints.check_toolchain(tmp_path / "toolchain.txt", {asked: [P38]})
    with pytest.raises(ConstraintsError) as refused:
        constraints.check_toolchain(tmp_path / "toolchain.txt", {asked: [P36, P38]})
    assert refused.value.details == ("importlib-metadata",)


def test_a_toolchain_that_lacks_something_names_it(tmp_path: Path) -> None:
    (tmp_path / "toolchain.txt").write_text(TOOLCHAIN)

    asked = dict.fromkeys(["setuptools>=61", "Flit_Core<4", "flit-core >=3.2", "setuptools"], (P38,))
    with pytest.raises(ConstraintsError) as refused:
        constraints.check_toolchain(tmp_path / "toolchain.txt", asked)
    assert refused.value.details == ("flit-core<4,>=3.2", "setuptools>=61 (it has 56.2.0)")
    assert refused.value.hint is not None
    assert "'flit-core<4,>=3.2' 'setuptools>=61'" in refused.value.hint


def test_proofs_of_every_release_run_with_a_pytest_that_knows_what_they_are_told() -> None:
    """Lifted pins, hidden by the cutoff, once left pytest 3.0.5 as the only one that could be had."""
    files = list((ROOT / "constraints").glob("*/proof-requirements-*.txt"))
    assert files
    for path in files:
        assert constraints.read_hashed(path)[canonicalize_name("pytest")].version >= Version("6"), path
