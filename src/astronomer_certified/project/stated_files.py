"""The files of a project that say what a release is: the inputs that its certificate names, beside the payload."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from astronomer_certified.artifacts import Manifest
from astronomer_certified.workspace import Workspace


def of_release(workspace: Workspace, stated: Manifest, constraints: Sequence[str]) -> tuple[Path, ...]:
    """Those of the release alone: its `constraints`, by the names of the files, its manifests, series and patches."""
    folder = workspace.constraints(stated.release.upstream)
    found = [path for item in stated.distributions for path in sorted(item.folder.iterdir())]
    # Not the changelog and the recorded revisions: they say what was done, and nothing comes of it.
    found = [path for path in found if path.suffix not in (".md", ".json")]
    return tuple(path for path in (*(folder / name for name in constraints), *found) if path.is_file())


def of_builds(workspace: Workspace) -> tuple[Path, ...]:
    """Those with which wheels of foreign projects are built, of whatever release."""
    libraries = (workspace.native_libraries, *sorted(workspace.native_patches.glob("*.patch")))
    return (workspace.toolchain, workspace.recipes, workspace.compilers, *libraries)
