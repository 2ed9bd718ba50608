"""A patch of one version -> the same patch for another, by a three-way merge whose base is the first version's source.

Works in a scratch repository; writes the target's patch folder when it is clean, and a checkout with git's conflict
markers when it is not. Nothing is written that does not apply exactly afterwards.
"""

from __future__ import annotations

import enum
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from packaging.version import InvalidVersion, Version

from astronomer_certified.artifacts import Distribution
from astronomer_certified.effects import disk
from astronomer_certified.errors import CertifiedError, SeriesError, WorkspaceError
from astronomer_certified.patches import series
from astronomer_certified.patches.series import Patch
from astronomer_certified.project import catalogue
from astronomer_certified.workspace import Workspace

from . import checkout, export, history, patch_folder, sources
from .repository import Repository
from .sources import Source

_ORIGIN = f"{checkout.OWN_REFS}origin"
_PICKED = "CHERRY_PICK_HEAD"


class Fate(enum.StrEnum):
    """What became of a patch on its way to another version."""

    CLEAN = "clean"
    OFFSET = "offset"
    MERGED = "merged"
    CONFLICT = "conflict"
    NOT_NEEDED = "not needed"
    NOT_APPLICABLE = "not applicable"
    THERE = "there already"
    GIVEN_UP = "given up"
    FAILED = "failed"


WRITTEN = (Fate.CLEAN, Fate.OFFSET, Fate.MERGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A patch in the series that has it, with those before it; `moves` are folders that the target has elsewhere."""

    distribution: Distribution
    patches: tuple[Patch, ...]
    moves: Mapping[str, str] = field(default_factory=dict)

    @property
    def patch(self) -> Patch:
        """The patch that is to be ported."""
        return self.patches[-1]

    @property
    def title(self) -> str:
        """The name of the series that has it."""
        return catalogue.title(self.distribution)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ported:
    """The fate of one patch in one version; `path` is the patch that was written, or the checkout with conflicts."""

    patch: str
    origin: str
    target: str
    fate: Fate
    note: str = ""
    path: Path | None = None
    proofs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """Where a patch is carried to: the distribution, its source as a commit, and the patches that it has."""

    distribution: Distribution
    source: Source
    patches: tuple[Patch, ...]

    @property
    def title(self) -> str:
        return catalogue.title(self.distribution)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Merge:
    """The outcome of a merge before anything is written: the tree it gives, and which files conflict."""

    fate: Fate
    tip: str
    tree: str
    note: str = ""


def origin_of(distribution: Distribution, name: str) -> Origin | None:
    """The patch of that name or CVE id in a series; None when it is not there. Raises `SeriesError`."""
    patches = series.read(distribution.folder)
    for number, patch in enumerate(patches, start=1):
        if name in (patch.name, patch.slug) or name.upper() in patch.cves:
            return Origin(distribution=distribution, patches=patches[:number])
    return None


def port(workspace: Workspace, origin: Origin, target: Distribution, *, dry: bool = False) -> Ported:
    """What became of the patch. With `dry` nothing is written. Raises `SeriesError` when a series does not apply."""
    with patch_folder.held(workspace, target):
        report = _merged(workspace, origin, target, dry=dry)
    if dry or report.fate is not Fate.CONFLICT:
        return report
    # After the folder is let go of: a checkout takes it for itself.
    return _leave_conflict(workspace, report, origin, sources.imported(workspace, origin.distribution), target)


def _merged(workspace: Workspace, origin: Origin, target: Distribution, *, dry: bool) -> Ported:
    """What becomes of the patch; it is written where there is no conflict. Only for who holds the target."""
    patch = origin.patch
    there = series.read(target.folder)
    report = Ported(
        patch=patch.slug, origin=origin.title, target=catalogue.title(target), fate=Fate.THERE, proofs=patch.proofs
    )
    # By either: a file may have been named by hand, and a subject put into other words.
    if any(patch.slug == other.slug or patch.subject == other.subject for other in there):
        return report
    from_source, to_source = (sources.imported(workspace, item) for item in (origin.distribution, target))
    name = f"port-{report.target}"
    disk.sweep(workspace.build, name)  # what a killed port left
    with disk.scratch_folder(disk.memory_folder(workspace.build), name) as scratch:
        # Borrowed: this repository is gone before anybody throws the cache away.
        repository = Repository(scratch, scratch, alternates=(from_source.objects, to_source.objects))
        repository.create("port", bare=True)
        to = _Target(distribution=target, source=to_source, patches=there)
        merge = _merge(repository, origin, from_source, to)
        report = replace(report, fate=merge.fate, note=_notes(merge.note, patch, there))
        if dry or merge.fate not in WRITTEN:
            return report
        return replace(report, path=_write(repository, merge, patch, to))


def _notes(note: str, patch: Patch, there: tuple[Patch, ...]) -> str:
    known = {name for other in there for name in (other.slug, other.name)}
    lacking = [item for item in patch.depends if item not in known]
    return "; ".join(filter(None, [note, f"depends on {', '.join(lacking)}: port that first" if lacking else ""]))


def _merge(repository: Repository, origin: Origin, from_source: Source, target: _Target) -> _Merge:
    """What a merge gives, before anything is written. Raises `SeriesError` for a series that does not apply."""
    before, after = _change(repository, origin, from_source)
    commit, there = target.source.commit, target.patches
    tip = history.write(repository, commit, there, against=target.title, ref="refs/heads/target").tip
    status, tree, conflicts = _three_way(repository, before, after, tip)
    # First, as a patch that the source has already applies nowhere, and would look like work for a human.
    if status == 0 and tree == repository.text("rev-parse", f"{tip}^{{tree}}"):
        return _Merge(fate=Fate.NOT_NEEDED, tip=tip, tree=tree, note="the source has it already")
    # Before what git merged, though both may be right: the same lines are the same patch to whoever reviews it.
    exact = _exact(repository, origin.patch, target) if not origin.moves else None
    if exact is not None:
        fate = Fate.OFFSET if exact.offsets else Fate.CLEAN
        return _Merge(fate=fate, tip=tip, tree=exact.tip, note=f"{len(exact.offsets)} hunks" if exact.offsets else "")
    if status == 0:
        return _Merge(fate=Fate.MERGED, tip=tip, tree=tree, note="the context differs: read what was merged")
    fate, note = _conflict(repository, origin, target.distribution, tip, conflicts)
    return _Merge(fate=fate, tip=tip, tree=tree, note=note)


def _change(repository: Repository, origin: Origin, from_source: Source) -> tuple[str, str]:
    """The commits before and after the patch in the version that has it, with folders where the target has them."""
    theirs = history.write(repository, from_source.commit, origin.patches, against=origin.title, ref=_ORIGIN)
    before = theirs.commits[-2] if len(theirs.commits) > 1 else theirs.base
    if not origin.moves:
        return before, theirs.tip
    before = history.moved(repository, before, origin.moves)
    after = history.moved(repository, theirs.tip, origin.moves, before)
    repository.git("update-ref", _ORIGIN, after)
    return before, after


def _three_way(repository: Repository, before: str, after: str, ours: str) -> tuple[int, str, list[str]]:
    """Status, tree and conflicting files of a merge of two changes of `before`.

    git takes the base of a merge from the commits' ancestors, so each side is made a child of it.
    """
    person = {f"GIT_{who}_{what}": "port" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

    def commit(name: str, *parents: str) -> str:
        words = [word for parent in parents for word in ("-p", parent)]
        return repository.git("commit-tree", f"{name}^{{tree}}", *words, "-m", "side", env=person).decode().strip()

    base = commit(before)
    status, out = repository.status(
        "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", commit(ours, base), commit(after, base),
        # 1: merged, with conflicts.
        statuses=(0, 1),
    )  # fmt: skip
    tree, *names = out.decode("utf-8", "surrogateescape").rstrip("\0").split("\0")
    return status, tree, sorted(set(names))


def _exact(repository: Repository, patch: Patch, target: _Target) -> history.History | None:
    """The target's series with the patch as it is, and the offsets of its hunks; None when it does not apply."""
    patches = (*target.patches, patch)
    try:
        made = history.write(repository, target.source.commit, patches, against=target.title, ref="refs/heads/exact")
    except SeriesError:
        return None
    return replace(made, offsets=tuple(offset for offset in made.offsets if offset.patch == patch.name))


def _conflict(
    repository: Repository, origin: Origin, target: Distribution, tip: str, conflicts: list[str]
) -> tuple[Fate, str]:
    """What a conflict means: a change of files that are not there, one that upstream has, or work for a human."""
    present = repository.entries(tip)
    patch = origin.patch
    changed = [file.old for file in patch.files if file.old is not None]
    for old, new in origin.moves.items():
        changed = [re.sub(f"^{re.escape(old)}/", f"{new}/", path) for path in changed]
    missing = [path for path in changed if path not in present]
    # Where only some are missing, the rest may well have the fault, in another shape.
    if changed and missing == changed:
        return Fate.NOT_APPLICABLE, f"no {', '.join(missing)}"
    since = _upstream_since(patch, target)
    if since is not None:
        return Fate.NOT_NEEDED, f"its header says upstream has it since {since}"
    return Fate.CONFLICT, f"in {', '.join(conflicts)}"


def _upstream_since(patch: Patch, target: Distribution) -> Version | None:
    """The version from which on upstream has it, when the target is not older; None otherwise."""
    for word in patch.fields.get("Applied-Upstream", "").replace(",", " ").split():
        try:
            version = Version(word)
        except InvalidVersion:
            continue
        if version <= target.release.upstream:
            return version
    return None


def _write(repository: Repository, merge: _Merge, patch: Patch, target: _Target) -> Path:
    """The patch file in the target's folder, at the end of its series."""
    folder, there = target.distribution.folder, target.patches
    # It is another patch from today on, whose lines nobody has read before.
    fields = {**patch.fields, "Last-Update": f"{datetime.now(UTC):%Y-%m-%d}"}
    content = export.render(fields, history.diff(repository, merge.tip, merge.tree))
    name = export.next_name([other.name for other in there], patch.slug)
    new = series.parse(folder / name, content)
    export.verify(repository, target.source.commit, merge.tree, [*there, new], against=target.title)
    old = {other.name: (folder / other.name).read_bytes() for other in there}
    export.replace_series(target.distribution, {**old, name: content})
    return folder / name


def _leave_conflict(
    workspace: Workspace, report: Ported, origin: Origin, from_source: Source, target: Distribution
) -> Ported:
    """A checkout of the target in which git stopped in the middle of a cherry-pick."""
    folder = workspace.checkout(report.target)
    try:
        made = checkout.make(workspace, target, folder, also=[from_source])
    except WorkspaceError as err:
        return replace(report, note=f"{report.note}; {err.what}: export it or remove it, then port again")
    repository = Repository.of(folder)
    after = _change(repository, origin, from_source)[1]
    # It stops in the middle, as it does for an engineer, who goes on with what he knows of git.
    repository.status("cherry-pick", after, env=_identity(repository, after), statuses=(0, 1))
    waits = {"name": origin.patch.slug, "origin": origin.title, "subject": origin.patch.subject}
    checkout.write_state(folder, replace(made.state, port=waits))
    return replace(report, path=folder)


def _identity(repository: Repository, commit: str) -> dict[str, str]:
    """The author of a commit as the one who commits: no identity of the engineer's is needed to go on."""
    name, address = repository.text("show", "-s", "--format=%an%n%ae", commit).split("\n")
    # `true` for an editor: git opens one for the message of a cherry-pick that goes on.
    return {"GIT_COMMITTER_NAME": name, "GIT_COMMITTER_EMAIL": address or "nobody", "GIT_EDITOR": "true"}


def waiting(workspace: Workspace) -> tuple[Path, ...]:
    """The checkouts in which a port waits for a human."""
    found = []
    for folder in sorted(workspace.checkout("*").parent.glob("*")):
        try:
            if checkout.read_state(folder).port:
                found.append(folder)
        except CertifiedError:  # no checkout, or one of another version of this tool: it is left alone
            continue
    return tuple(found)


def go_on(workspace: Workspace, folder: Path) -> tuple[Ported, ...]:
    """The port that waited in a checkout, committed and exported, with what else was committed there.

    It is given up where no commit of it is there. Raises `WorkspaceError` while conflicts are left.
    """
    state = _waiting_state(folder)
    repository = Repository.of(folder)
    # Who has committed by hand has ended it already.
    if (repository.git_folder / _PICKED).is_file():
        _commit(repository)
    done = export.export(workspace, folder)
    rows = [_resolved(state, done.folder / name) for name in (*done.added, *done.changed)]
    return tuple(rows) or (_given_up(state, "nothing was committed"),)


def give_up(folder: Path) -> Ported:
    """The port that waited in a checkout waits no more; commits that were made there stay. Raises `WorkspaceError`."""
    state = _waiting_state(folder)
    repository = Repository.of(folder)
    if (repository.git_folder / _PICKED).is_file():
        repository.git("cherry-pick", "--abort")
    checkout.write_state(folder, replace(state, port={}))
    return _given_up(state, "" if repository.resolve("HEAD") == state.tip else "your commits are still there")


def _waiting_state(folder: Path) -> checkout.State:
    state = checkout.read_state(folder)
    if not state.port:
        raise WorkspaceError(f"no port waits in {folder}", hint="certified patch export writes its commits back")
    return state


def _given_up(state: checkout.State, note: str) -> Ported:
    return Ported(
        patch=state.port["name"], origin=state.port["origin"], target=state.title, fate=Fate.GIVEN_UP, note=note
    )


def _resolved(state: checkout.State, path: Path) -> Ported:
    """What is said of a patch that was exported when a port went on: the ported one, or one beside it."""
    patch = series.parse(path, path.read_bytes())
    ported = patch.slug == state.port["name"] or patch.subject == state.port.get("subject")
    return Ported(
        patch=patch.slug, origin=state.port["origin"], target=state.title, fate=Fate.MERGED, path=path,
        note="resolved by hand" if ported else "committed beside it", proofs=patch.proofs,
    )  # fmt: skip


def _commit(repository: Repository) -> None:
    """The cherry-pick is a commit. Raises `WorkspaceError` for conflicts that are left, and for an empty one."""
    folder = repository.folder
    if unmerged := sorted(set(_paths(repository.git("diff", "--name-only", "--diff-filter=U", "-z")))):
        raise WorkspaceError(
            f"{folder} has conflicts left", details=unmerged, hint="resolve them, git add, then --continue"
        )
    # `git add` takes a file with markers for resolved.
    if left := _markers(repository):
        raise WorkspaceError(
            f"{folder} has conflict markers left", details=left, hint="resolve them, git add, then --continue"
        )
    picked = (repository.git_folder / _PICKED).read_text(encoding="utf-8").strip()
    if not repository.git("diff", "--cached", "--name-only"):
        raise WorkspaceError(
            f"{folder}: after the resolution nothing of the patch is left",
            hint="if that is right: certified patch port --abort",
        )
    repository.git("cherry-pick", "--continue", env=_identity(repository, picked))


def _paths(out: bytes) -> list[str]:
    return [os.fsdecode(item) for item in out.split(b"\0") if item]


def _markers(repository: Repository) -> list[str]:
    found = []
    for path in _paths(repository.git("diff", "--cached", "--name-only", "-z")):
        real = repository.folder / path
        if real.is_file() and any(
            line.startswith((b"<<<<<<< ", b">>>>>>> ")) for line in real.read_bytes().split(b"\n")
        ):
            found.append(os.fsencode(path).decode("utf-8", "replace"))
    return found
