"""The fields of a commit and of the patch it was before -> the fields of the patch, and what is missing of them.

Whoever is there is asked for what is missing, until the answer can stand in a header.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from packaging.version import InvalidVersion, Version

from astronomer_certified.patches import series
from astronomer_certified.patches.series import Patch

# Asked for the value of a field that a patch lacks: the patch's subject, the field, what may stand in it.
Ask = Callable[[str, str, str], str | None]
Fields = dict[str, str]

_REFERENCE = ("Bug", "Applied-Upstream")
_NEEDED = {
    _REFERENCE: "Bug: apache/airflow#NNN, or Applied-Upstream: X.Y.Z",
    ("Proof",): "files of patches/proofs/, or 'none: REASON'",
}
# What somebody was asked for at the last export is in the patch, not in the commit.
_KEPT = ("Origin", "Proof", "Bug")
# What must not go unnoticed when a commit does not say it any more.
_NOTICED = ("CVE", "Applied-Upstream")


def nobody(subject: str, field: str, what: str) -> None:
    """The `Ask` of a program: nobody answers."""


def completed(subject: str, fields: Mapping[str, str], old: Patch | None, ask: Ask) -> tuple[Fields, list[str]]:
    """The fields of a patch, and what could not be completed from the old patch or by asking."""
    kept = {name: old.fields[name] for name in _KEPT if old and name in old.fields}
    if any(name in fields for name in _REFERENCE):
        # The commit names the change itself: the old reference would stand beside it.
        kept.pop("Bug", None)
    # DEP-3's word for a patch that was written by those who ship it.
    whole: Fields = {"Origin": "vendor", **kept, **fields}
    missing = []
    for names, what in _NEEDED.items():
        if any(whole.get(name, "").strip() for name in names):
            continue
        answer = _answered(subject, names, what, ask)
        if answer is None:
            missing.append(f"{' or '.join(names)}: {what}")
        else:
            whole[answer[0]] = answer[1]
    return whole, missing


def lost(fields: Mapping[str, str], old: Patch | None) -> list[str]:
    """What the old patch said and these fields do not say any more, of what must not go unnoticed."""
    before = old.fields if old is not None else {}
    return [f"{name}: {before[name].strip()}" for name in _NOTICED if name in before and name not in fields]


def _answered(subject: str, names: tuple[str, ...], what: str, ask: Ask) -> tuple[str, str] | None:
    """A field and its value; None when nobody says one."""
    asked = what
    while answer := (ask(subject, names[0], asked) or "").strip():
        name, value = _read(names, answer)
        problem = _problem(name, value)
        if problem is None:
            return name, value
        asked = f"{problem}; {what}"
    return None


def _read(names: tuple[str, ...], answer: str) -> tuple[str, str]:
    """The field that an answer is for: the one that it names, or that its form says."""
    for name in names:
        if found := re.fullmatch(rf"{name}:\s*(.*)", answer, re.IGNORECASE):
            return name, found[1]
    if "Applied-Upstream" in names and _is_version(answer):
        return "Applied-Upstream", answer
    return names[0], answer


def _problem(name: str, value: str) -> str | None:
    if name == "Proof":
        return series.proof_problem(value)
    return None if value else "that names nothing"


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True
