"""What a machine could not do -> a few lines for people: things of one kind with one reason are told together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from astronomer_certified.artifacts import NotDone, Python


def told(items: Sequence[NotDone]) -> str:
    """One paragraph for each reason: what, why, how to get what is missing. Each item is counted in one of them."""
    together: dict[tuple[str, str], list[NotDone]] = {}
    for item in items:
        together.setdefault((item.kind, item.why), []).append(item)
    return "\n".join(_paragraph(group) for group in together.values())


def _paragraph(group: Sequence[NotDone]) -> str:
    pythons = sorted({Python.parse(item.python) for item in group if item.python})
    hows = list(dict.fromkeys(item.how for item in group))
    how = hows[0] if len(hows) == 1 else f"{hows[0]} (and likewise for {_listed(map(str, pythons[1:]))})"
    return f"  {_what(group, pythons)}\n    why: {group[0].why}\n    how: {how}"


def _what(group: Sequence[NotDone], pythons: Sequence[Python]) -> str:
    if len(group) == 1 or not group[0].kind:
        return _listed(item.what for item in group)
    return f"{len(group)} {group[0].kind}s" + (f" for Python {_listed(map(str, pythons))}" if pythons else "")


def _listed(words: Iterable[str]) -> str:
    """`3.6, 3.7 and 3.8`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
