"""Verified upstream sources -> git commits in the cache, made once for each source.

The commit of a source has the same id everywhere: its content, its name and its upload time are all that is in it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from astronomer_certified import effects, manifest
from astronomer_certified.artifacts import Distribution, SourceKind
from astronomer_certified.errors import ArchiveError, UsageError
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
        return self.repository.git_folder / "objects"


def named(workspace: Workspace, text: str) -> Distribution:
    """The distribution called `2.1.0` (the core) or `NAME==VERSION` (a repair). Raises `UsageError`."""
    try:
        if "==" not in text:
            return manifest.load(workspace, Version(text)).core
        requirement = Requirement(text)
        version = Version(next(iter(requirement.specifier)).version)
    except (InvalidVersion, InvalidRequirement) as err:
        raise UsageError(f"neither a version like 2.1.0 nor NAME==VERSION: {text!r}") from err
    return manifest.load_distribution(workspace.distribution(canonicalize_name(requirement.name), version))


def title(distribution: Distribution) -> str:
    """The name by which `named` finds a distribution again."""
    version = distribution.release.upstream
    return str(version) if distribution.name == manifest.CORE else f"{distribution.name}=={version}"


def everything(workspace: Workspace) -> tuple[Distribution, ...]:
    """Every distribution that patches/ states: the cores by version, then the repairs."""
    folder = workspace.root / "patches"
    repairs = sorted(folder.glob("*/*/distribution.toml"))
    return (
        *(manifest.load(workspace, version).core for version in workspace.versions()),
        *(manifest.load_distribution(path) for path in repairs),
    )


def imported(workspace: Workspace, distribution: Distribution) -> Source:
    """The source of a distribution as a commit, from the cache or imported now. Fetches and verifies it first."""
    from astronomer_certified import upstream

    fetched = upstream.fetch(distribution.source, workspace)
    folder = workspace.cached_commits(f"{distribution.source.sha256}-{_FORMAT}")
    repository = Repository(folder, folder)
    commit = repository.resolve(_REF) if folder.is_dir() else None
    if commit is None:
        with effects.lock(folder.with_name(folder.name + ".lock"), on_wait=lambda pid: None):
            commit = repository.resolve(_REF) if folder.is_dir() else None
            if commit is None:
                commit = _import(distribution, fetched.path, folder)
    return Source(repository=repository, commit=commit)


def _import(distribution: Distribution, archive: Path, folder: Path) -> str:
    from astronomer_certified import archives

    with (
        effects.scratch_folder(effects.memory_folder(folder.parent), "source") as scratch,
        effects.atomic_folder(folder) as beside,
    ):
        if distribution.kind is SourceKind.SDIST:
            tree = archives.unpack_sdist(archive, scratch)
        else:
            tree = archives.unpack_wheel(archive, scratch)
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
        repository.git("-c", "core.compression=1", "fast-import", "--quiet", "--force", stdin=stream([commit], _REF))
        return repository.text("rev-parse", _REF)
