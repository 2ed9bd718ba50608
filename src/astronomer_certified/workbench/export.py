"""A checkout -> the series in patches/: one patch for each commit, canonical, verified before anything is replaced.

Nobody else changes the patch folder from when it is read until it is replaced (`patch_folder`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from astronomer_certified.artifacts import Distribution
from astronomer_certified.effects.disk import digest
from astronomer_certified.errors import SeriesError, WorkspaceError
from astronomer_certified.patches import series
from astronomer_certified.patches.series import Patch
from astronomer_certified.project import catalogue
from astronomer_certified.workspace import Workspace

from . import checkout, history, messages, missing_fields, patch_folder, rebase
from .checkout import State
from .missing_fields import Ask, nobody
from .repository import Repository

# Of a patch whose subject has nothing to name a file by.
_NAMELESS = re.compile(r"^\d{4}-patch-[0-9a-f]{8}\.patch$")

_LOG = "%H%x00%P%x00%an%x00%ae%x00%cs%x00%B"
_LOG_FIELDS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export did to a patch folder, by file name; `lost` are fields that a changed patch lacks now, `hints`
    what would make a patch better."""

    folder: Path
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]
    lost: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Commit:
    """One commit on top of the source, as git shows it."""

    id: str
    author: str
    committed: str
    fields: Mapping[str, str]

    @property
    def subject(self) -> str:
        return self.fields["Description"].split("\n")[0]


def export(workspace: Workspace, folder: Path, ask: Ask = nobody) -> Exported:
    """The series of the checkout's distribution is what its commits say.

    Raises `SeriesError` or `WorkspaceError`, and leaves the series as it was.
    """
    state = checkout.read_state(folder)
    distribution = catalogue.named(workspace, state.title)
    with patch_folder.held(workspace, distribution):
        # Read once more: while this waited for the lock, another command may have written it.
        return _exported(folder, checkout.read_state(folder), distribution, ask)


def _exported(folder: Path, state: State, distribution: Distribution, ask: Ask) -> Exported:
    repository = Repository.of(folder)
    _refuse_unfinished(folder, repository, state)
    digests = checkout.digests(distribution.folder)
    if digests != state.digests:
        if _is_exported(repository, state, distribution):
            # A run was killed after it had replaced the series and before it could note that.
            state = replace(state, commits={}, digests=digests)
        else:
            state = rebase.caught_up(folder, state, distribution)
    shifted = _shifted(repository, state, distribution)
    if repository.resolve("HEAD") == state.tip and not state.left and not shifted:
        if state.port:  # aborted or skipped: nothing of it is left to wait for
            checkout.write_state(folder, replace(state, port={}))
        return Exported(
            folder=distribution.folder, added=(), changed=(), removed=(), unchanged=tuple(state.commits.values())
        )
    known = {commit: name for commit, name in state.commits.items() if name not in shifted}
    state = replace(state, commits=known)
    commits = _commits(repository, state.base)
    _refuse_left(state, commits)
    written, lost = _rendered(repository, state, distribution, commits, ask)
    _verify(repository, state, distribution, written)
    exported = replace_series(distribution, written)
    names = dict(zip((commit.id for commit in commits), written, strict=True))
    digests = checkout.digests(distribution.folder)
    checkout.write_state(folder, State(title=state.title, base=state.base, commits=names, digests=digests))
    nameless = [name for name in exported.added if _NAMELESS.search(name)]
    hints = [
        f"{name}: its subject has no ASCII letter to name the file by; one in English helps others" for name in nameless
    ]
    return replace(exported, lost=tuple(lost), hints=tuple(hints))


def _is_exported(repository: Repository, state: State, distribution: Distribution) -> bool:
    """Whether the series is what the commits say, under the same subjects."""
    patches = series.read(distribution.folder)
    if state.left or [commit.subject for commit in _commits(repository, state.base)] != [p.subject for p in patches]:
        return False
    try:
        verify(repository, state.base, "HEAD", patches, against=state.title)
    except SeriesError:
        return False
    return True


def _shifted(repository: Repository, state: State, distribution: Distribution) -> set[str]:
    """The patches that apply, but not where they say: they are written anew."""
    patches = [patch for patch in series.read(distribution.folder) if patch.name not in state.left]
    tree = history.overlay(repository, state.base, patches)
    return {patch.name for patch in patches if tree.apply(patch, against=state.title)}


def _refuse_unfinished(folder: Path, repository: Repository, state: State) -> None:
    """Raises unless everything is committed, on top of the source, and nothing of it is behind HEAD."""
    if unfinished := repository.unfinished():
        raise WorkspaceError(
            f"{folder}: git is in the middle of something ({unfinished})", hint="finish or abort it first"
        )
    if dirty := checkout.uncommitted(repository):
        raise WorkspaceError(
            f"{folder} has changes that are in no commit",
            details=dirty,
            hint="commit them (git add, git commit), or stash or ignore them, then export",
        )
    if repository.resolve("HEAD") is None or not repository.contains("HEAD", state.base):
        raise SeriesError(
            f"{folder}: HEAD is not on top of the upstream source",
            hint=f"go to the branch with the patches: git switch {checkout.BRANCH}",
        )
    branch = repository.resolve(f"refs/heads/{checkout.BRANCH}")
    # As after a bisect, or a look at an older commit that was forgotten.
    behind = branch is not None and repository.resolve("HEAD") != branch and repository.contains(branch, "HEAD")
    if repository.branch() is None and behind:
        raise WorkspaceError(
            f"{folder}: HEAD is detached, on a commit before the end of branch {checkout.BRANCH}",
            hint=f"the patches after it would go: git switch {checkout.BRANCH}",
        )


def _refuse_left(state: State, commits: Sequence[_Commit]) -> None:
    """Raises while a patch that did not apply has no commit: the series would lose it."""
    subjects = {commit.subject for commit in commits}
    if left := [f"{name}: {subject}" for name, subject in state.left.items() if subject not in subjects]:
        raise WorkspaceError(
            "patches that did not apply have no commit of their subject",
            details=left,
            hint="repair them and commit with git commit -F NAME.message; who drops one takes it out of the series,"
            " and checks out again",
        )


def _commits(repository: Repository, base: str) -> list[_Commit]:
    # UTF-8, as i18n.commitEncoding may have made commits in another encoding.
    order = ("--reverse", "--topo-order", "--encoding=UTF-8")
    words = repository.git("log", "-z", *order, f"--format={_LOG}", f"{base}..HEAD").decode("utf-8", "replace")
    # With -z the last field of a commit ends in NUL, as %x00 ends the others.
    values = words.split("\0")[:-1]
    found, problems = [], []
    for at in range(0, len(values), _LOG_FIELDS):
        identity, parents, name, address, day, text = values[at : at + _LOG_FIELDS]
        if len(parents.split()) > 1:
            subject = text.strip().split("\n")[0]
            problems.append(f"{identity[:12]} {subject}: a merge; a series is a line of patches")
            continue
        if not text.strip():
            problems.append(f"{identity[:12]}: no message; its first line is the subject of the patch")
            continue
        found.append(
            _Commit(
                id=identity,
                author=messages.author_field(name, address),
                committed=day,
                fields=messages.fields_of(text),
            )
        )
    if problems:
        raise SeriesError(
            "these commits cannot become patches", details=problems, hint=f"git rebase -i {checkout.UPSTREAM}"
        )
    return found


def _rendered(
    repository: Repository, state: State, distribution: Distribution, commits: Sequence[_Commit], ask: Ask
) -> tuple[dict[str, bytes], list[str]]:
    """The patch files by name, in order, and what is said of them no more.

    A commit that is as it was checked out is the file that it came from.
    """
    old = {patch.name: patch for patch in series.read(distribution.folder)}
    by_subject = {patch.subject: patch for patch in old.values()}
    changed = [commit for commit in commits if commit.id not in state.commits]
    diffs = history.diffs_of(repository, [commit.id for commit in changed])
    names = _names(commits, state, by_subject, [*old])
    written: dict[str, bytes] = {}
    lost: list[str] = []
    problems: list[str] = []
    for commit, name in zip(commits, names, strict=True):
        if commit.id in state.commits:
            written[name] = (distribution.folder / name).read_bytes()
            continue
        problems += _refusals(commit, diffs[commit.id])
        before = by_subject.get(commit.subject)
        said = {**commit.fields, "Author": commit.author, "Last-Update": commit.committed}
        fields, missing = missing_fields.completed(commit.subject, said, before, ask)
        problems += [f"{commit.subject}: lacks {what}" for what in missing]
        lost += [f"{name} does not say any more: {what}" for what in missing_fields.lost(fields, before)]
        # After a problem nothing will be written; what is left is looked at for its own problems.
        if not problems:
            old_content = (distribution.folder / before.name).read_bytes() if before is not None else None
            written[name] = render(fields, diffs[commit.id], old_content)
    if problems:
        raise SeriesError(
            "these commits cannot become patches",
            details=problems,
            hint="add trailers (git commit --amend --trailer 'Proof: test_x.py'), or git rebase -i upstream",
        )
    return written, lost


def _refusals(commit: _Commit, diff: bytes) -> list[str]:
    if not diff.strip():
        return [f"{commit.subject}: changes nothing"]
    found = []
    if re.search(rb"^(GIT binary patch|Binary files )", diff, re.MULTILINE):
        found.append(f"{commit.subject}: changes a binary file, which no reviewer can read")
    if re.search(rb"^(new file|new|old|deleted file) mode 1[26]0000$", diff, re.MULTILINE):
        found.append(f"{commit.subject}: has a symbolic link or a submodule, which a wheel cannot hold")
    return found


def render(fields: Mapping[str, str], diff: bytes, old: bytes | None = None) -> bytes:
    """A patch file: the old one where it says and does the same in the same place.

    Its Last-Update stays that of the old one when nothing changed but line numbers around it.
    """
    content = messages.header(fields).encode() + diff
    if old is None:
        return content
    name = Path("patch")
    before, after = series.parse(name, old), series.parse(name, content)
    day = {"Last-Update": before.fields["Last-Update"]}
    if {**after.fields, **day} != before.fields or _essence(after) != _essence(before):
        return content
    # Whoever wrote it may have shown ids in full, or other context behind `@@`.
    return old if after.files == before.files else messages.header({**fields, **day}).encode() + diff


def _essence(patch: Patch) -> list[object]:
    """What a patch does, wherever in its files it does it."""
    return [(file.old, file.new, file.new_mode, [(hunk.old, hunk.new) for hunk in file.hunks]) for file in patch.files]


def _names(commits: Sequence[_Commit], state: State, by_subject: Mapping[str, Patch], old: Sequence[str]) -> list[str]:
    """A file name for each commit: its own of old, or the next number and the subject's slug."""
    names: list[str] = []
    for commit in commits:
        known = by_subject.get(commit.subject)
        if commit.id in state.commits:
            names.append(state.commits[commit.id])
        elif known is not None:
            names.append(known.name)
        else:
            names.append(next_name([*old, *names], slug_of(commit.subject)))
    twice = sorted({name for name in names if names.count(name) > 1})
    # Without the number as well: that is what a patch is called in all versions.
    slugs = [series.slug_of(name) for name in names]
    twice += sorted({name for name in slugs if slugs.count(name) > 1})
    if twice:
        raise SeriesError("two commits have the same subject, and so the same name", details=twice,
                          hint="git rebase -i upstream: reword one, or make them one (fixup)")  # fmt: skip
    return names


def slug_of(subject: str) -> str:
    """The subject in a file name. One without an ASCII letter or digit is called by a digest of it, which stays."""
    return messages.slug(subject) or f"patch-{digest(subject)[:8]}"


def next_name(taken: Sequence[str], slug: str) -> str:
    """`0004-say-what-it-does.patch`, with the number after the highest that is taken."""
    numbers = [int(name.split("-")[0]) for name in taken if name.split("-")[0].isdigit()]
    return f"{max(numbers, default=0) + 1:04}-{slug}.patch"


def _verify(repository: Repository, state: State, distribution: Distribution, written: Mapping[str, bytes]) -> None:
    """Raises `SeriesError` unless the patches, applied exactly to the source, give what HEAD has."""
    patches = [series.parse(distribution.folder / name, content) for name, content in written.items()]
    verify(repository, state.base, "HEAD", patches, against=state.title)


def verify(repository: Repository, base: str, tip: str, patches: Sequence[Patch], *, against: str) -> None:
    """Raises `SeriesError` unless the patches, applied exactly to `base`, give what `tip` has."""
    tree = history.overlay(repository, base, patches)
    for patch in patches:
        if offsets := tree.apply(patch, against=against):
            raise SeriesError(f"{patch.name} does not apply exactly to {against}", details=map(str, offsets))
    touched = {path for patch in patches for path in patch.touched}
    entries = repository.entries(tip)
    contents = repository.contents(entries[path].id for path in touched if path in entries)
    for path in sorted(touched):
        lines, entry = tree.file(path).lines, entries.get(path)
        if (b"".join(lines) if lines is not None else None) != (contents[entry.id] if entry else None):
            raise SeriesError(f"the patches do not give what the commits have in {path}",
                              hint="this is a bug: please report it with the checkout")  # fmt: skip


def replace_series(distribution: Distribution, written: Mapping[str, bytes]) -> Exported:
    """The folder holds exactly these patches, in this order. Only for who holds it, with patches that were verified.

    Raises `SeriesError` for a folder that does not match its series, and leaves everything as it was.
    """
    folder = distribution.folder
    old = {name: (folder / name).read_bytes() for name in series.names(folder)}
    patch_folder.replace(folder, old, written)
    return Exported(
        folder=folder,
        added=tuple(name for name in written if name not in old),
        changed=tuple(name for name in written if name in old and old[name] != written[name]),
        removed=tuple(name for name in old if name not in written),
        unchanged=tuple(name for name in written if old.get(name) == written[name]),
    )
