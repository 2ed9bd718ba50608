"""Verified upstream sources -> git commits in the cache, made once for each source.

The commit of a source has the same id everywhere: its content, its name and its upload time are all that is in it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from astronomer_certified.artifacts import Distribution
from astronomer_certified.effects import disk
from astronomer_certified.errors import ArchiveError
from astronomer_certified.source.kinds import KINDS
from astronomer_certified.workspace import Workspace

from .fastimport import Commit, Person, stream
from .repository import Repository

_REF = "refs/heads/upstream"
# Part of the cache's name: another way to import is another commit.
_FORMAT = "2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An upstream source as a commit of a bare repository in the cache."""

    repository: Repository
    commit: str

    @property
    def objects(self) -> Path:
        """The folder of its objects, for repositories that borrow them."""
        return self.repository.git_folder / "objects"


def imported(workspace: Workspace, distribution: Distribution) -> Source:
    """The source of a distribution as a commit, from the cache or imported now. Fetches and verifies it first.

    Raises `UpstreamError` or `ArchiveError`.
    """
    from astronomer_certified.source import fetch

    fetched = fetch.fetch(distribution.source, workspace)
    folder = workspace.cached_commits(f"{distribution.source.sha256}-{_FORMAT}")
    repository = Repository(folder, folder)
    commit = repository.resolve(_REF) if folder.is_dir() else None
    if commit is None:
        with disk.lock(folder.with_name(folder.name + ".lock"), on_wait=lambda pid: None):
            # Another process may have imported it while this one waited.
            commit = repository.resolve(_REF) if folder.is_dir() else None
            if commit is None:
                commit = _import(distribution, fetched.path, folder)
    return Source(repository=repository, commit=commit)


def _import(distribution: Distribution, archive: Path, folder: Path) -> str:
    """The commit, now in `folder`. Only for who holds its lock: what a killed import left of it is gone."""
    disk.sweep(folder.parent, folder.name)
    with (
        disk.scratch_folder(disk.memory_folder(folder.parent), folder.name) as scratch,
        disk.atomic_folder(folder) as beside,
    ):
        tree = KINDS[distribution.kind].unpack(archive, scratch)
        files = {}
        for path in sorted(tree.rglob("*")):
            if path.is_file():
                inner = path.relative_to(tree)
                if ".git" in inner.parts:
                    raise ArchiveError(f"{archive.name}: {inner} cannot be in a git repository")
                files[os.fspath(inner)] = (path.read_bytes(), bool(path.stat().st_mode & 0o100))
        release = distribution.release
        commit = Commit(
            author=Person(name=str(distribution.name), address="upstream", when=distribution.epoch),
            message=f"{distribution.name} {release.upstream}\n\n{archive.name}\nsha256 {distribution.source.sha256}\n",
            changes=files,
            parent=None,
        )
        repository = Repository(beside, beside)
        repository.create("upstream", bare=True)
        # In a cache the time of the import counts for more than the room.
        repository.git("-c", "core.compression=1", "fast-import", "--quiet", "--force", stdin=stream([commit], _REF))
        return repository.text("rev-parse", _REF)
