"""A source that is a wheel already gets its new version without any backend; what the source lacks is put back."""

from __future__ import annotations

from pathlib import Path

import pytest
from factories import distribution, patch, pinned, series, upstream_file, wheel
from packaging.metadata import Metadata
from wheel.wheelfile import WheelFile

from astronomer_certified.artifacts import Distribution, Restore
from astronomer_certified.build import wheels
from astronomer_certified.errors import BuildError, WheelDiffError
from astronomer_certified.formats import wheel_files
from astronomer_certified.patches import application
from astronomer_certified.patches import series as series_stage

INFO = "demo-1.0.dist-info"
METADATA = (
    "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Dist: flask (<2)\n\n# Demo\n\nVersion: 1.0 it is.\n"
)
PATCHED = "demo-1.0+astro.1.dist-info"
LOOSEN = (
    f"--- a/{INFO}/METADATA\n+++ b/{INFO}/METADATA\n@@ -3,3 +3,3 @@\n Version: 1.0\n"
    "-Requires-Dist: flask (<2)\n+Requires-Dist: flask (<3)\n \n"
)


def built(tmp_path: Path, *restore: Restore, metadata: str = METADATA, diff: str = LOOSEN) -> wheels.PatchedWheel:
    """demo 1.0+astro.1, made from the wheel of demo 1.0 with one patch."""
    files = {"demo/__init__.py": "", "demo/jobs.py": "a\n", "demo/empty.txt": "", f"{INFO}/METADATA": metadata}
    files |= {"demo-1.0.data/scripts/demo": "#!python\n"}
    source = wheel(tmp_path / "demo-1.0-py2.py3-none-any.whl", files)
    stated = stated_of(source, *restore)
    patches = series_stage.read(series(tmp_path / "patches", {"a.patch": patch(diff)}))
    tree = application.apply(stated, upstream_file(source), patches, tmp_path / "tree")
    return wheels.build(stated, tree, upstream_file(source), None, places(tmp_path))


def places(tmp_path: Path) -> wheels.Places:
    return wheels.Places(scratch=tmp_path / "scratch", folder=tmp_path / "dist", log=tmp_path / "log")


def stated_of(source: Path, *restore: Restore) -> Distribution:
    file = pinned(source)
    return distribution(kind="wheel", stamp=None, source=file, upstream_wheel=file, restore=restore)


def test_a_repaired_wheel_has_its_new_version_in_name_folder_and_metadata(tmp_path: Path) -> None:
    made = built(tmp_path)
    assert made.wheel.filename == "demo-1.0+astro.1-py2.py3-none-any.whl"
    with WheelFile(made.wheel.path) as archive:
        metadata = Metadata.from_email(archive.read(f"{PATCHED}/METADATA"), validate=True)
        assert archive.read("demo/jobs.py") == b"a\n"
    assert str(metadata.version) == "1.0+astro.1"
    assert [str(requirement) for requirement in metadata.requires_dist or []] == ["flask<3"]
    assert "Version: 1.0 it is." in str(metadata.description)
    assert not any(INFO in name for name in wheel_files.read(made.wheel.path))


def test_the_data_folder_of_a_repaired_wheel_has_the_new_version_too(tmp_path: Path) -> None:
    names = wheel_files.read(built(tmp_path).wheel.path)
    assert "demo-1.0+astro.1.data/scripts/demo" in names
    assert not any(name.startswith("demo-1.0.data") for name in names)


def test_what_a_patch_does_to_a_wheel_is_among_its_differences(tmp_path: Path) -> None:
    assert [(item.path, item.reason) for item in built(tmp_path).differences] == [
        (".dist-info/METADATA", "series and version stamp")
    ]


def test_a_wheel_without_a_version_line_is_refused(tmp_path: Path) -> None:
    other = {text: text.replace("Version: 1.0\n", "Version: 1.0.0\n") for text in (METADATA, LOOSEN)}
    with pytest.raises(BuildError, match=r"METADATA has no line 'Version: 1\.0'"):
        built(tmp_path, metadata=other[METADATA], diff=other[LOOSEN])


def test_a_file_that_upstream_does_not_have_cannot_be_restored(tmp_path: Path) -> None:
    with pytest.raises(
        BuildError, match=r"demo/py\.typed cannot be restored: upstream's demo-1\.0-.* has no such file"
    ):
        built(tmp_path, Restore(path="demo/py.typed", reason="why"))


def test_a_file_that_the_build_makes_need_not_be_restored(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"demo/jobs\.py need not be restored: the build makes it"):
        built(tmp_path, Restore(path="demo/jobs.py", reason="why"))


def test_a_file_that_is_empty_may_be_restored(tmp_path: Path) -> None:
    assert built(tmp_path, Restore(path="demo/empty.txt", reason="why")).restored == ("demo/empty.txt",)


def test_a_wheel_that_differs_by_more_than_its_series_is_not_written(tmp_path: Path) -> None:
    source = wheel(tmp_path / "demo-1.0-py3-none-any.whl", {"demo/jobs.py": "a\n", f"{INFO}/METADATA": METADATA})
    stated = stated_of(source)
    tree = application.apply(stated, upstream_file(source), (), tmp_path / "tree")
    (tree.path / "demo" / "evil.py").write_text("evil\n")
    with pytest.raises(WheelDiffError) as caught:
        wheels.build(stated, tree, upstream_file(source), None, places(tmp_path))
    assert caught.value.details == ("added: demo/evil.py",)
    assert not (tmp_path / "dist").exists()
