"""A patch folder -> a git repository to work in: the verified upstream source, then one commit for each patch.

Writes one folder, whole or not at all. The engineer uses plain git there; `export` writes the series back.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from astronomer_certified.artifacts import Distribution, Offset
from astronomer_certified.effects import disk
from astronomer_certified.effects.disk import atomic_folder, sha256_of, write_atomic
from astronomer_certified.errors import SeriesError, WorkspaceError
from astronomer_certified.patches import series
from astronomer_certified.patches.series import Patch
from astronomer_certified.project import catalogue
from astronomer_certified.workspace import Workspace

from . import history, messages, patch_folder, sources
from .repository import Repository
from .sources import Source

_STATE = "certified.json"
_FORMAT = 1
BRANCH = "patches"
UPSTREAM = "upstream"
OWN_REFS = "refs/certified/"
_COMMENT_SIGNS = "^~%;|!&@$"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a checkout was made of: the distribution, its source's commit, and each patch's commit and sha256.

    `port` is the patch whose three-way merge waits there for a human, `left` the subjects of the patches that did not
    apply, by name; empty where there are none.
    """

    title: str
    base: str
    commits: Mapping[str, str]
    digests: Mapping[str, str]
    port: Mapping[str, str] = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)

    @property
    def tip(self) -> str:
        """The commit of the last patch, as it was checked out or exported."""
        return [self.base, *self.commits][-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A checkout that was made now; `left` are patches that did not apply and lie in it as files."""

    folder: Path
    state: State
    offsets: tuple[Offset, ...]
    left: tuple[Patch, ...]


def digests(folder: Path) -> dict[str, str]:
    """The sha256 of each file of a series, the `series` file among them, by name. Raises `SeriesError`."""
    files = [folder / name for name in series.names(folder)]
    listed = folder / "series"
    return {path.name: sha256_of(path) for path in [*files, *([listed] if listed.is_file() else [])]}


def make(
    workspace: Workspace, distribution: Distribution, folder: Path, *, also: Sequence[Source] = (), partly: bool = False
) -> Checkout:
    """The checkout, now in `folder`; `also` are further sources whose commits it holds.

    With `partly`, patches that do not apply lie in it as files, and no export is possible until they are dealt with.
    Raises `SeriesError` for a patch that does not apply, `WorkspaceError` for a folder in which work would be lost.
    """
    folder = folder.resolve()  # a link stays, and what it leads to is made
    _refuse_to_overwrite(folder)
    source = sources.imported(workspace, distribution)
    with patch_folder.held(workspace, distribution):
        # A checkout that was killed may have left its folder there.
        disk.sweep(folder.parent, folder.name)
        return _made(distribution, source, folder, also, partly=partly)


def _made(
    distribution: Distribution, source: Source, folder: Path, also: Sequence[Source], *, partly: bool
) -> Checkout:
    patches = series.read(distribution.folder)
    title = catalogue.title(distribution)
    with atomic_folder(folder) as beside:
        repository = Repository.of(beside)
        repository.create(BRANCH)
        for item in (source, *also):
            borrow(repository, item)
        _configure(repository, patches)
        applied = history.applicable(repository, source.commit, patches, against=title) if partly else patches
        made = _written(repository, source, applied, title)
        repository.git("update-ref", f"refs/tags/{UPSTREAM}", source.commit)
        # fast-import makes commits, and leaves index and work tree as they are.
        repository.git("read-tree", "--reset", "-u", made.tip)
        left = tuple(patch for patch in patches if patch not in applied)
        _leave(repository, distribution, left)
        state = State(
            title=title,
            base=source.commit,
            commits=dict(zip(made.commits, (patch.name for patch in applied), strict=True)),
            digests=digests(distribution.folder),
            left={patch.name: patch.subject for patch in left},
        )
        write_state(beside, state)
    return Checkout(folder=folder, state=state, offsets=made.offsets, left=left)


def _leave(repository: Repository, distribution: Distribution, patches: Sequence[Patch]) -> None:
    """The patches lie in the checkout as files, each with the message of its commit; git does not see them."""
    with (repository.git_folder / "info" / "exclude").open("a", encoding="utf-8") as stream:
        for patch in patches:
            shutil.copyfile(distribution.folder / patch.name, repository.folder / patch.name)
            message = messages.message(patch.fields)
            (repository.folder / f"{patch.name}.message").write_text(
                message, encoding="utf-8", errors="surrogateescape"
            )
            stream.write(f"/{patch.name}\n/{patch.name}.message\n")


def _written(repository: Repository, source: Source, patches: Sequence[Patch], title: str) -> history.History:
    try:
        return history.write(repository, source.commit, patches, against=title, ref=f"refs/heads/{BRANCH}")
    except SeriesError as err:
        hint = f"certified patch checkout {title} --partly leaves out what does not apply, as a file to work from"
        raise SeriesError(err.what, details=err.details, hint=hint) from err


def borrow(repository: Repository, source: Source) -> None:
    """The objects of a source are in the repository too, as a pack of its own."""
    target = repository.git_folder / "objects" / "pack"
    target.mkdir(parents=True, exist_ok=True)
    # The index of a pack comes last: git believes in a pack that has one.
    for pack in sorted((source.objects / "pack").iterdir(), key=lambda path: path.suffix == ".idx"):
        # Copied, not borrowed by git's alternates: the cache may be thrown away at any time, a checkout may not.
        if not (target / pack.name).exists():
            shutil.copyfile(pack, target / pack.name)


def _configure(repository: Repository, patches: Sequence[Patch]) -> None:
    """What plain git must know here: files stay as they are byte for byte, no line of ours is a comment."""
    lines = (
        "[core]\n\tautocrlf = false\n\tsafecrlf = false\n\tfileMode = true\n"
        f'\tcommentChar = "{_comment_sign(patches)}"\n[commit]\n\tcleanup = strip\n[merge]\n\trenames = true\n'
    )
    with (repository.git_folder / "config").open("a", encoding="utf-8") as stream:
        stream.write(lines)
    attributes = repository.git_folder / "info" / "attributes"
    attributes.parent.mkdir(exist_ok=True)
    # Before what a source's own .gitattributes says.
    attributes.write_text("* -text -ident -filter -working-tree-encoding\n", encoding="utf-8")


def _comment_sign(patches: Sequence[Patch]) -> str:
    """What begins a comment in git's messages, as those of a squash or a conflict: a sign that begins no line of ours.

    `#` does begin lines, of code and of lists.
    """
    used = {line.removeprefix(" ")[:1] for patch in patches for line in patch.fields["Description"].split("\n")}
    return next((sign for sign in _COMMENT_SIGNS if sign not in used), _COMMENT_SIGNS[0])


def _refuse_to_overwrite(folder: Path) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if (folder / ".git" / _STATE).is_file():
        if not unexported(folder):
            return
        raise WorkspaceError(
            f"{folder} is a checkout with work that is not exported",
            details=unexported(folder),
            hint=f"certified patch export {folder}, or remove the folder",
        )
    raise WorkspaceError(f"{folder} is there already, and no checkout", hint="name another folder")


def unexported(folder: Path) -> list[str]:
    """What would be lost with the checkout, a line for each; empty when nothing would. Raises `WorkspaceError`."""
    repository, state = Repository.of(folder), read_state(folder)
    found = [f"uncommitted: {line}" for line in uncommitted(repository)]
    if repository.resolve("HEAD") != state.tip:
        found.append("commits that differ from the series that was checked out")
    # HEAD's own branch was looked at; what `export` and `port` keep for themselves can be made again.
    others = [ref for ref in repository.outside(state.tip) if ref != repository.branch()]
    found += [f"commits that are in {ref} only" for ref in others if not ref.startswith(OWN_REFS)]
    if state.port:
        found.append(f"a port of {state.port['name']} that waits for you")
    elif unfinished := repository.unfinished():
        found.append(f"git is in the middle of something ({unfinished})")
    return found


def uncommitted(repository: Repository) -> list[str]:
    """The paths that differ from the last commit, as `git status --short` shows them; also those that git was told not
    to look at (`git update-index --assume-unchanged`, `--skip-worktree`)."""
    # No renames: with -z, one would be two paths.
    words = ("status", "--porcelain", "-z", "--untracked-files=all", "--no-renames")
    # A small letter, or an S: git passes over the file.
    flagged = [
        line[2:]
        for line in repository.git("ls-files", "-v", "-z").split(b"\0")
        if line[:1].islower() or line[:1] == b"S"
    ]
    if not flagged:
        out = repository.git(*words)
    else:
        beside = repository.git_folder / "certified.index"
        # With its time, by which git knows which files may have changed in the moment after they were looked at.
        shutil.copy2(repository.git_folder / "index", beside)
        index = {"GIT_INDEX_FILE": str(beside)}
        for flag in ("--no-assume-unchanged", "--no-skip-worktree"):
            repository.git(
                "update-index", flag, "-z", "--stdin", stdin=b"".join(path + b"\0" for path in flagged), env=index
            )
        out = repository.git(*words, env=index)
        beside.unlink()
    return [item.decode("utf-8", "replace") for item in out.split(b"\0") if item]


def write_state(folder: Path, state: State) -> None:
    """The checkout remembers what it was made of."""
    values = {
        "format": _FORMAT,
        "title": state.title,
        "base": state.base,
        "commits": list(state.commits.items()),
        "digests": dict(state.digests),
        "port": dict(state.port),
        "left": dict(state.left),
    }
    write_atomic(folder / ".git" / _STATE, (json.dumps(values, indent=1) + "\n").encode())


def read_state(folder: Path) -> State:
    """What a checkout was made of. Raises `WorkspaceError` for a folder that is none."""
    try:
        values = json.loads((folder / ".git" / _STATE).read_bytes())
        if values["format"] != _FORMAT:
            raise ValueError("another format")
        return State(
            title=values["title"],
            base=values["base"],
            commits=dict(values["commits"]),
            digests=values["digests"],
            port=values["port"],
            left=values.get("left", {}),
        )
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise WorkspaceError(
            f"{folder} is not a checkout of a series", hint="certified patch checkout VERSION [DIR] makes one"
        ) from err
