"""A checkout whose series was changed by others since -> the same work upon what the series says now.

Where git cannot do that alone, nothing is changed, and the error says what a human does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from astronomer_certified.artifacts import Distribution
from astronomer_certified.errors import WorkspaceError
from astronomer_certified.patches import series
from astronomer_certified.patches.series import Patch

from . import checkout, history
from .checkout import State
from .repository import Repository

_SERIES = f"{checkout.OWN_REFS}series"
_IDENTITY = {"GIT_COMMITTER_NAME": "certified", "GIT_COMMITTER_EMAIL": "export", "GIT_EDITOR": "true"}


def caught_up(folder: Path, state: State, distribution: Distribution) -> State:
    """The checkout's state after its commits and what patches/ says by now were put together.

    Raises `WorkspaceError` where git cannot do that: exporting would undo what somebody else did.
    """
    repository = Repository.of(folder)
    patches = series.read(distribution.folder)
    applied = history.applicable(repository, state.base, patches, against=state.title) if state.left else patches
    made = history.write(repository, state.base, applied, against=state.title, ref=_SERIES)
    if not repository.contains("HEAD", made.tip):
        if repository.contains("HEAD", state.tip):
            _put_on_top(repository, state, made.tip, distribution)
        else:
            _take_theirs(repository, state, applied, made, distribution)
    state = replace(
        state,
        commits=dict(zip(made.commits, (patch.name for patch in applied), strict=True)),
        digests=checkout.digests(distribution.folder),
        left={patch.name: patch.subject for patch in patches if patch not in applied},
    )
    checkout.write_state(folder, state)
    return state


def _put_on_top(repository: Repository, state: State, tip: str, distribution: Distribution) -> None:
    """The engineer only added commits: these are on top of what patches/ says now."""
    if repository.status("rebase", "--quiet", "--onto", tip, state.tip, env=_IDENTITY, statuses=(0, 1, 128))[0]:
        # git may also have refused before it began; then there is nothing to abort.
        if repository.unfinished():
            repository.git("rebase", "--abort")
        raise _refusal(repository, distribution, f"git rebase --onto {_SERIES} {state.tip[:12]}, then export again")


def _take_theirs(
    repository: Repository, state: State, patches: Sequence[Patch], made: history.History, distribution: Distribution
) -> None:
    """The engineer changed or dropped commits: what others added is on top of these, as they are."""
    before = [name for name in state.digests if name != "series"]
    now = checkout.digests(distribution.folder)
    if [*now][: len(before)] != before or any(now[name] != state.digests[name] for name in before):
        hint = f"certified patch checkout {state.title} DIR makes another one: git cherry-pick there what you did here"
        raise _refusal(repository, distribution, hint)
    # Whoever picked them by hand did it with -x, as the hint says.
    messages = repository.text("log", "--format=%B", f"{state.base}..HEAD")
    added = [
        commit
        for commit, patch in zip(made.commits, patches, strict=True)
        if patch.name not in before and f"(cherry picked from commit {commit})" not in messages
    ]
    if added and repository.status("cherry-pick", *added, env=_IDENTITY, statuses=(0, 1, 128))[0]:
        if repository.unfinished():
            repository.git("cherry-pick", "--abort")
        words = " ".join(commit[:12] for commit in added)
        raise _refusal(repository, distribution, f"git cherry-pick -x {words}, then export again")


def _refusal(repository: Repository, distribution: Distribution, hint: str) -> WorkspaceError:
    return WorkspaceError(
        f"{distribution.folder} was changed since it was checked out to {repository.folder}",
        details=["your commits and what it says now do not go together by themselves"],
        hint=hint if hint.startswith("certified") else f"there: {hint}",
    )
