"""The platforms that releases are for, and which wheels are usable on them (PEP 425, PEP 600). Pure functions."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from packaging import tags
from packaging.utils import parse_wheel_filename

from astronomer_certified.artifacts import PinnedFile, Python

# Wheels for a younger glibc than 2.17 do not count as usable: the pips of the era know manylinux2014 at most.
_GLIBC_MINORS = range(17, 4, -1)
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


def environment(machine: str) -> str:
    """The marker that holds there (PEP 508)."""
    return f"sys_platform == 'linux' and platform_machine == '{machine}' and implementation_name == 'cpython'"


@functools.cache
def _supported(python: Python, machine: str) -> tuple[tags.Tag, ...]:
    platforms = []
    for minor in _GLIBC_MINORS:
        platforms.append(f"manylinux_2_{minor}_{machine}")
        if minor in _LEGACY:
            platforms.append(f"{_LEGACY[minor]}_{machine}")
    # Python 3.7 was the last with the pymalloc flag in its ABI tag (PEP 3149).
    abi = f"{python.tag}{'m' if python.minor < 8 else ''}"
    version = (python.major, python.minor)
    specific = tags.cpython_tags(version, abis=[abi], platforms=platforms)
    return (*specific, *tags.compatible_tags(version, python.tag, platforms))


def usable_wheel(wheels: Sequence[PinnedFile], python: Python, machine: str) -> PinnedFile | None:
    """The wheel that an installer on that Python and machine prefers (PEP 425); None if none fits."""
    order = {tag: rank for rank, tag in enumerate(_supported(python, machine))}
    ranked = [
        (min(order[tag] for tag in fitting), wheel.filename, wheel)
        for wheel in wheels
        if (fitting := [tag for tag in parse_wheel_filename(wheel.filename)[3] if tag in order])
    ]
    return min(ranked)[2] if ranked else None
