"""The gate between a patched wheel and the index: everything that nothing explains is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from factories import as_bytes, distribution, write_tree

from astronomer_certified.artifacts import Difference, Distribution, PatchedTree
from astronomer_certified.build.wheel_diff import compare
from astronomer_certified.errors import WheelDiffError
from astronomer_certified.formats.wheel_files import Member

THEIR_INFO, OUR_INFO = "demo-1.0.dist-info", "demo-1.0+astro.1.dist-info"
METADATA = """\
Metadata-Version: 2.1
Name: demo
Version: 1.0
Download-URL: https://example.invalid/demo/1.0/demo-1.0.tar.gz
Requires-Dist: flask (<2.0)
Requires-Dist: celery ; extra == 'celery'

# Demo 1.0
"""
STAMPED = METADATA.replace("1.0\n", "1.0+astro.1\n").replace("/1.0/demo-1.0.", "/1.0+astro.1/demo-1.0+astro.1.")
WHEEL = "Wheel-Version: 1.0\nGenerator: bdist_wheel (0.36.2)\nRoot-Is-Purelib: true\nTag: py3-none-any\n"

UPSTREAM: dict[str, str | bytes] = {
    "demo/__init__.py": "",
    "demo/jobs.py": "a\nb\n",
    "demo/py.typed": "",
    "demo/git_version": ".release:1.0+abc",
    f"{THEIR_INFO}/METADATA": METADATA,
    f"{THEIR_INFO}/WHEEL": WHEEL,
    f"{THEIR_INFO}/entry_points.txt": "[console_scripts]\ndemo = demo:main\n",
}
PATCHED: dict[str, str | bytes | None] = {
    **{name.replace(THEIR_INFO, OUR_INFO): content for name, content in UPSTREAM.items()},
    f"{OUR_INFO}/METADATA": STAMPED,
}
METADATA_ONLY = Difference(path=".dist-info/METADATA", change="changed", reason="version stamp")


def members(files: Mapping[str, str | bytes | None], *executable: str) -> dict[str, Member]:
    return {
        name: Member(content=as_bytes(content), executable=name in executable)
        for name, content in files.items()
        if content is not None
    }


def differences(
    tmp_path: Path,
    changes: Mapping[str, str | bytes | None],
    *touched: str,
    executable: tuple[str, ...] = (),
    of: Distribution | None = None,
) -> tuple[Difference, ...]:
    """What the gate says of upstream's wheel and of ours with these changes (None takes a file out)."""
    ours = {**PATCHED, **changes}
    in_tree = {name: content for name, content in ours.items() if content is not None and ".dist-info" not in name}
    path = write_tree(tmp_path / "tree", in_tree)
    path.mkdir(exist_ok=True)
    tree = PatchedTree(path=path, applied=("a.patch",), touched=frozenset(touched), offsets=())
    return compare(of or distribution(), tree, members(ours, *executable), members(UPSTREAM))


def refusal(
    tmp_path: Path, changes: Mapping[str, str | bytes | None], *touched: str, **more: tuple[str, ...]
) -> list[str]:
    with pytest.raises(WheelDiffError) as caught:
        differences(tmp_path, changes, *touched, executable=more.get("executable", ()))
    assert caught.value.what == "demo 1.0+astro.1: it differs from upstream's by more than its series"
    assert caught.value.hint is not None
    return list(caught.value.details)


# --- what passes


def test_a_wheel_that_differs_by_its_version_passes_with_what_is_derived_from_it(tmp_path: Path) -> None:
    assert "Download-URL: https://example.invalid/demo/1.0+astro.1/demo-1.0+astro.1.tar.gz" in STAMPED
    assert differences(tmp_path, {}) == (METADATA_ONLY,)


def test_the_files_of_the_series_may_change_appear_and_go(tmp_path: Path) -> None:
    changes = {"demo/jobs.py": "a\nB\n", "demo/new.py": "new\n", "demo/__init__.py": None}
    assert differences(tmp_path, changes, *changes) == (
        METADATA_ONLY,
        Difference(path="demo/__init__.py", change="missing", reason="series"),
        Difference(path="demo/jobs.py", change="changed", reason="series"),
        Difference(path="demo/new.py", change="added", reason="series"),
    )


def test_another_version_of_the_build_backend_is_named_and_passes(tmp_path: Path) -> None:
    regenerated = {f"{OUR_INFO}/WHEEL": WHEEL.replace("0.36.2", "0.37.1")}
    assert differences(tmp_path, regenerated)[1] == Difference(
        path=".dist-info/WHEEL", change="changed", reason="regenerated: another version of the build backend"
    )


def test_the_stamped_line_passes_where_the_wheel_holds_the_stamped_file(tmp_path: Path) -> None:
    setup = "import x\nversion = '1.0'\n# 1.0\n"
    upstream = members({**UPSTREAM, "setup.py": setup})
    ours = members({**PATCHED, "setup.py": setup.replace("'1.0'", "'1.0+astro.1'")})
    tree = PatchedTree(path=tmp_path, applied=(), touched=frozenset(), offsets=())
    assert compare(distribution(), tree, ours, upstream)[1:] == (
        Difference(path="setup.py", change="changed", reason="version stamp"),
    )
    more = members({**PATCHED, "setup.py": setup.replace("'1.0'", "'1.0+astro.1'").replace("# 1.0", "# 1.0+astro.1")})
    with pytest.raises(WheelDiffError, match=r"changed: setup\.py"):
        compare(distribution(), tree, more, upstream)


@pytest.mark.parametrize("source", ["setup.py", "setup.cfg", "pyproject.toml"])
def test_metadata_may_change_when_the_series_touches_where_it_comes_from(tmp_path: Path, source: str) -> None:
    changes = {f"{OUR_INFO}/METADATA": STAMPED.replace("flask (<2.0)", "flask (<3.0)")}
    assert differences(tmp_path, changes, source)[0].reason == "series and version stamp"


def test_metadata_of_a_repaired_wheel_may_change_when_the_series_names_it(tmp_path: Path) -> None:
    changes = {f"{OUR_INFO}/METADATA": STAMPED.replace("flask (<2.0)", "flask (<3.0)")}
    repaired = distribution(kind="wheel", stamp=None)
    assert differences(tmp_path, changes, f"{THEIR_INFO}/METADATA", of=repaired)[0].reason == "series and version stamp"


# --- what does not


REFUSED: dict[str, tuple[dict[str, str | bytes | None], str]] = {
    "py.typed is missing": ({"demo/py.typed": None}, "missing: demo/py.typed"),
    "git_version is empty": ({"demo/git_version": ""}, "changed: demo/git_version (empty, upstream's has 16 bytes)"),
    "a file too many": ({"demo/extra.py": "x\n"}, "added: demo/extra.py"),
    "a test folder too many": ({"tests/__init__.py": ""}, "added: tests/__init__.py"),
    "a change of one line": ({"demo/jobs.py": "a\nB\n"}, "changed: demo/jobs.py ('-b' and 1 more lines)"),
    "a change of line ends": ({"demo/jobs.py": "a\r\nb\r\n"}, "changed: demo/jobs.py (line ends)"),
    "a change of a binary": ({"demo/jobs.py": b"\xff\xfe"}, "changed: demo/jobs.py (binary)"),
    "an entry point too many": (
        {f"{OUR_INFO}/entry_points.txt": "[console_scripts]\ndemo = demo:main\nevil = demo:evil\n"},
        "changed: .dist-info/entry_points.txt ('+evil = demo:evil')",
    ),
    "another tag": (
        {f"{OUR_INFO}/WHEEL": WHEEL.replace("py3-none", "cp38-none")},
        "changed: .dist-info/WHEEL ('-Tag: py3-none-any' and 1 more lines)",
    ),
    "a file too many in dist-info": ({f"{OUR_INFO}/zip-safe": ""}, "added: .dist-info/zip-safe"),
}


@pytest.mark.parametrize(("changes", "line"), REFUSED.values(), ids=REFUSED)
def test_a_difference_that_nothing_explains_is_refused_by_name(
    tmp_path: Path, changes: dict[str, str | bytes | None], line: str
) -> None:
    assert refusal(tmp_path, changes, "demo/other.py") == [line]


def test_an_executable_bit_is_a_difference(tmp_path: Path) -> None:
    assert refusal(tmp_path, {}, executable=("demo/jobs.py",)) == ["changed: demo/jobs.py (executable bit)"]


BAD_METADATA = {
    "another requirement": ("flask (<2.0)", "flask (<3.0)"),
    "a requirement too many": ("Name: demo\n", "Name: demo\nRequires-Dist: evil\n"),
    "a requirement too few": ("Requires-Dist: flask (<2.0)\n", ""),
    "a requirement twice": ("Requires-Dist: flask (<2.0)\n", "Requires-Dist: flask (<2.0)\n" * 2),
    "another name": ("Name: demo", "Name: demo2"),
    "another description": ("# Demo", "# Domo"),
    "no version": ("Version: 1.0+astro.1\n", ""),
}


@pytest.mark.parametrize(("good", "bad"), BAD_METADATA.values(), ids=BAD_METADATA)
def test_metadata_that_differs_by_more_than_the_version_is_refused(tmp_path: Path, good: str, bad: str) -> None:
    assert good in STAMPED
    (line,) = refusal(tmp_path, {f"{OUR_INFO}/METADATA": STAMPED.replace(good, bad)}, "demo/jobs.py")
    assert line.startswith("changed: .dist-info/METADATA (")


@pytest.mark.parametrize("touched", ["demo/jobs.py", "setup.py"], ids=["by code", "by setup.py"])
@pytest.mark.parametrize("version", ["1.0", "1.0+astro.2"])
def test_a_wheel_without_its_own_version_is_refused(tmp_path: Path, version: str, touched: str) -> None:
    unstamped = STAMPED.replace("Version: 1.0+astro.1\n", f"Version: {version}\n")
    assert refusal(tmp_path, {f"{OUR_INFO}/METADATA": unstamped}, touched) == [
        f"changed: .dist-info/METADATA (its version is {version!r})"
    ]


def test_upstreams_own_wheel_is_not_a_patched_one(tmp_path: Path) -> None:
    assert refusal(tmp_path, {f"{OUR_INFO}/METADATA": METADATA}) == [
        "changed: .dist-info/METADATA (its version is '1.0')"
    ]


def test_a_file_that_a_patch_changes_must_not_get_lost(tmp_path: Path) -> None:
    write_tree(tmp_path / "tree", {"demo/jobs.py": "a\nB\n"})
    assert refusal(tmp_path, {"demo/jobs.py": None}, "demo/jobs.py") == ["missing: demo/jobs.py"]


def test_many_differences_are_counted_and_the_first_are_shown(tmp_path: Path) -> None:
    details = refusal(tmp_path, {f"extra/{number:03}.py": "x\n" for number in range(100)})
    assert details[0] == "added: extra/000.py"
    assert len(details) == 31
    assert details[-1] == "and 70 more"
