"""What a machine could not do -> a few lines for people: what has one reason is told together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from astronomer_certified.artifacts import NotDone, Python

# So many things of one reason are named one by one; more are counted.
_NAMED = 3


def told(items: Sequence[NotDone]) -> str:
    """One paragraph for each reason: what, why, how to get what is missing. Each item stands in one of them."""
    together: dict[str, list[NotDone]] = {}
    for item in items:
        together.setdefault(item.why, []).append(item)
    return "\n".join(_paragraph(group) for group in together.values())


def _paragraph(group: Sequence[NotDone]) -> str:
    first, *others = sorted(group, key=_python)
    more = [str(python) for python in _pythons(others) if str(python) != first.python]
    differs = any(item.how != first.how for item in others)
    # What to do names the Python: one is spelled out, the others are listed.
    how = f"{first.how} (and likewise for {_listed(more)})" if differs and more else first.how
    return f"  {_what(group)}\n    why: {group[0].why}\n    how: {how}"


def _what(group: Sequence[NotDone]) -> str:
    """The things by name, or so many of each kind, and for which Pythons."""
    if len(group) <= _NAMED or not all(item.kind for item in group):
        return _listed(item.what for item in group)
    kinds = Counter(item.kind for item in group)
    counted = _listed(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in kinds.items())
    pythons = _pythons(group)
    return f"{counted} for Python {_listed(map(str, pythons))}" if pythons else counted


def _pythons(group: Sequence[NotDone]) -> list[Python]:
    return sorted({Python.parse(item.python) for item in group if item.python})


def _listed(words: Iterable[str]) -> str:
    """`3.6, 3.7 and 3.8`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _python(item: NotDone) -> Python:
    return Python.parse(item.python) if item.python else Python(0, 0)
