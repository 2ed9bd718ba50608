"""What keeps an install from being done on this machine."""

from __future__ import annotations

from astronomer_certified.artifacts import Constraints, Manifest, NotDone, Target
from astronomer_certified.pythons import interpreters
from astronomer_certified.steps.receipts import Receipt


def for_install(
    title: str, target: Target, manifest: Manifest, constraints: Constraints, wheelhouse: Receipt
) -> NotDone | None:
    """Why an install cannot be done here: no such Python, or a wheel of it is not done. None when it can."""
    if interpreters.find(target.python) is None:
        return interpreters.not_there(target.python, title, "install")
    wanted = constraints.wanted_by(manifest, target)
    for item in wheelhouse.not_done:
        if item.python == str(target.python) and item.project in wanted:
            why = f"it needs the {item.what}, which is not done"
            return NotDone(what=title, why=why, how=item.how, kind="install", python=item.python)
    return None
