"""The C libraries inside of wheels -> the archives that they were made of, as one sdist beside the wheels."""

from __future__ import annotations

from collections.abc import Mapping

from astronomer_certified.artifacts import NotDone
from astronomer_certified.native import sources
from astronomer_certified.project import native_libraries
from astronomer_certified.release.run import Run
from astronomer_certified.steps.receipts import Made
from astronomer_certified.steps.runner import Done, Shown, Step

from . import wheelhouse

NAME = "sources"


def step(run: Run) -> Step:
    """One sdist holds the archives of every library that may be inside of a wheel of the release."""
    workspace = run.workspace
    stated = (workspace.compilers, workspace.native_libraries, *sorted(workspace.native_patches.glob("*.patch")))

    def inputs(done: Done) -> Mapping[str, str]:
        return run.file_digests(stated)

    def do(done: Done) -> Made:
        from astronomer_certified.build import source_archive

        inside = tuple(native_libraries.load(workspace.native_libraries).values())
        for old in run.dist.glob(f"{source_archive.NAME.replace('-', '_')}-*.tar.gz"):
            old.unlink()
        if not inside:
            return Made(outputs=[], note="no library")
        if absent := [library.name for library in inside if not sources.can_be_fetched(library, workspace)]:
            how = f"put their archives into a folder and name it in {sources.FOLDER_VARIABLE}"
            lack = NotDone(what="sources of C libraries", why=f"no apt, which would fetch {', '.join(absent)}", how=how)
            return Made(outputs=[], not_done=[lack], note="not done")
        used = []
        for library in inside:
            source, files = sources.fetch(library, workspace)
            used.append(source_archive.Used(library=library, source=source, files=files))
        named = {path.relative_to(workspace.root / "constraints").as_posix(): path for path in stated}
        path = source_archive.archive(used, named, run.dist)
        return Made(outputs=[path], note=f"{len(used)} libraries")

    shown = Shown(stage=wheelhouse.NAME, minor=True)
    return run.step(NAME, inputs, do, needs=[wheelhouse.NAME], shown=shown)
