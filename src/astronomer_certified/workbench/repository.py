"""A git repository of the workbench: bytes in, bytes out, by git's own plumbing. Knows nothing of patches."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from astronomer_certified.effects.processes import clean_environment, pipe
from astronomer_certified.errors import CommandFailed

# Whatever the engineer's own git is told: the same commits and the same diffs on every machine.
# unpackLimit: `checkout.borrow` copies packs, and a small import would leave single objects.
_SETTINGS = (
    "core.abbrev=12", "core.quotePath=true", "core.autocrlf=false", "core.fsync=none", "gc.auto=0",
    "fastimport.unpackLimit=0",
)  # fmt: skip
# What git leaves in its folder while a command of several steps is not finished.
_UNFINISHED = (
    "rebase-merge", "rebase-apply", "CHERRY_PICK_HEAD", "MERGE_HEAD", "REVERT_HEAD", "sequencer", "BISECT_LOG",
)  # fmt: skip
_HASH = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a git tree: mode as git writes it, and the id of its content."""

    mode: str
    id: str


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository by its git folder, with its work tree's folder (the same one where there is none).

    `alternates` are object folders of other repositories, whose objects are readable here too.
    """

    git_folder: Path
    folder: Path
    alternates: tuple[Path, ...] = ()

    @classmethod
    def of(cls, folder: Path) -> Repository:
        """The repository whose work tree is `folder`."""
        return cls(folder / ".git", folder)

    def environment(self) -> dict[str, str]:
        """What git may know: nothing of the engineer's configuration, and no repository around this one."""
        env = clean_environment(
            GIT_CONFIG_GLOBAL=os.devnull,
            GIT_CONFIG_NOSYSTEM="1",
            GIT_ATTR_NOSYSTEM="1",
            # Else `git status` writes the index, at the same time perhaps as the engineer's own git.
            GIT_OPTIONAL_LOCKS="0",
            GIT_TERMINAL_PROMPT="0",
            GIT_CEILING_DIRECTORIES=str(self.folder.parent),
        )
        if self.alternates:
            env["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = os.pathsep.join(map(str, self.alternates))
        return env

    def git(
        self,
        *words: str | Path,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        statuses: tuple[int, ...] = (0,),
    ) -> bytes:
        """What git prints. Raises `CommandFailed`."""
        return self.status(*words, stdin=stdin, env=env, statuses=statuses)[1]

    def status(
        self,
        *words: str | Path,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        statuses: tuple[int, ...] = (0,),
    ) -> tuple[int, bytes]:
        """The exit status, one of `statuses`, and what git prints."""
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        place = [f"--git-dir={self.git_folder}"]
        if self.folder != self.git_folder:
            place.append(f"--work-tree={self.folder}")
        argv = ["git", *settings, *place, *words]
        done = pipe(argv, cwd=self.folder, env={**self.environment(), **(env or {})}, stdin=stdin, statuses=statuses)
        return done.returncode, done.stdout

    def text(self, *words: str | Path) -> str:
        """What git prints, as text without the last newline."""
        return self.git(*words).decode("utf-8", "surrogateescape").rstrip("\n")

    def create(self, branch: str, *, bare: bool = False) -> None:
        """An empty repository is there, with nothing of the engineer's templates."""
        self.folder.mkdir(parents=True, exist_ok=True)
        form = ["--bare"] if bare else []
        argv = ["git", "init", "--quiet", "--template=", f"--initial-branch={branch}", *form, str(self.folder)]
        pipe(argv, cwd=self.folder, env=self.environment())

    def entries(self, commit: str) -> dict[str, Entry]:
        """Every file of a commit by its path."""
        found = {}
        for record in self.git("ls-tree", "-r", "-z", "--full-tree", commit).split(b"\0"):
            if record:
                words, _, path = record.partition(b"\t")
                mode, _, object_id = words.decode().split()
                found[path.decode("utf-8", "surrogateescape")] = Entry(mode=mode, id=object_id)
        return found

    def contents(self, ids: Iterable[str]) -> dict[str, bytes]:
        """The content of blobs by their id."""
        wanted = list(dict.fromkeys(ids))
        out = self.git("cat-file", "--batch", stdin="".join(f"{item}\n" for item in wanted).encode())
        found, at = {}, 0
        for item in wanted:
            head_end = out.index(b"\n", at)
            head = out[at:head_end].split()
            # Of an object that is not there git says two words: its id, and `missing`.
            if len(head) != 3:
                raise CommandFailed(f"{self.git_folder} lacks the object {item}")
            start = head_end + 1
            found[item] = out[start : start + int(head[2])]
            at = start + int(head[2]) + 1
        return found

    def resolve(self, name: str) -> str | None:
        """The commit that a name means; None when there is none."""
        status, out = self.status("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", statuses=(0, 1, 128))
        text = out.decode().strip()
        return text if status == 0 and _HASH.fullmatch(text) else None

    def contains(self, commit: str, ancestor: str) -> bool:
        """Whether a commit has the other one among its ancestors, or is it."""
        return self.status("merge-base", "--is-ancestor", ancestor, commit, statuses=(0, 1, 128))[0] == 0

    def unfinished(self) -> str | None:
        """What git is in the middle of, as it calls it in its folder; None when it is in nothing."""
        return next((name for name in _UNFINISHED if (self.git_folder / name).exists()), None)

    def branch(self) -> str | None:
        """The full name of the branch that HEAD is on; None when it is detached."""
        return self.status("symbolic-ref", "--quiet", "HEAD", statuses=(0, 1))[1].decode().strip() or None

    def outside(self, commit: str) -> list[str]:
        """The full names of the refs, the stash among them, that have commits which are not in that one."""
        return self.text("for-each-ref", "--format=%(refname)", f"--no-merged={commit}").split()


class CommitTree:
    """The tree of a commit as `application.Tree`; only the wanted files can be read, all at once."""

    def __init__(self, repository: Repository, commit: str, wanted: Iterable[str]) -> None:
        self.entries = repository.entries(commit)
        present = {path: self.entries[path] for path in wanted if path in self.entries}
        self._contents = repository.contents(entry.id for entry in present.values())

    def read(self, path: str) -> tuple[bytes, bool] | None:
        """A wanted file of the commit; see `application.Tree`."""
        entry = self.entries.get(path)
        if entry is None:
            return None
        # A parent of a new file is only asked whether it is a file.
        return self._contents.get(entry.id, b""), entry.mode == "100755"

    def below(self, path: str) -> Iterable[str]:
        """The files of the commit below a folder."""
        return [name for name in self.entries if name.startswith(f"{path}/")]
