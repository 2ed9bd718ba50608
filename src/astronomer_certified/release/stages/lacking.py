"""What keeps an install from being done on this machine."""

from __future__ import annotations

from dataclasses import replace

from astronomer_certified.artifacts import Constraints, Manifest, NotDone, Target
from astronomer_certified.pythons import interpreters
from astronomer_certified.steps.receipts import Receipt


def thing(what: str, kind: str) -> NotDone:
    """Something that may turn out not to be done: what it is, and the noun for several of its kind."""
    return NotDone(what=what, why="", how="", kind=kind)


def for_install(
    what: NotDone, target: Target, manifest: Manifest, constraints: Constraints, wheelhouse: Receipt
) -> NotDone | None:
    """`what` with the reason why it cannot be done here, which installs a target; None when it can.

    Either there is no such Python, or a wheel that it needs is not done.
    """
    if interpreters.find(target.python) is None:
        return interpreters.not_there(target.python, what.what, what.kind)
    wanted = constraints.wanted_by(manifest, target)
    # The first that is met is enough to say why: the wheelhouse names all of them.
    for item in wheelhouse.not_done:
        if item.python == str(target.python) and item.project in wanted:
            why = f"it needs the {item.what}, which is not done"
            return replace(what, why=why, how=item.how, python=item.python)
    return None
