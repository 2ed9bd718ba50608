"""What upstream tested a version with: patches/X.Y.Z/upstream-constraints-PY.txt <-> the pins that it prefers.

Upstream publishes such files beside its distributions, not on an index. The pins are kept in the project, so that a
resolution gives the same everywhere and in ten years.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from astronomer_certified.artifacts import Preferences, Python
from astronomer_certified.effects.disk import digest
from astronomer_certified.errors import ManifestError

_NAME = "upstream-constraints-{python}.txt"

# A comment is the rest of a line, but an address may have a fragment (pip's requirements file format).
_COMMENT = re.compile(r"(^|\s+)#.*$")


def path_of(folder: Path, python: Python) -> Path:
    """Where the preferences of a release for a Python are, when it has some."""
    return folder / _NAME.format(python=python)


def load(folder: Path, pythons: Collection[Python]) -> dict[Python, Preferences]:
    """The preferences beside a release.toml, of each Python that has some.

    Raises `ManifestError` for a line that is no pin, and for a file of a Python that the release is not for.
    """
    known = {path_of(folder, python): python for python in pythons}
    for path in sorted(folder.glob(_NAME.format(python="*"))):
        if path not in known:
            raise ManifestError(f"{path} is for a Python that the release is not for", hint="remove it")
    return {
        python: Preferences(path=path, sha256=digest(path.read_bytes()), pins=parsed(path.read_bytes(), python, path))
        for path, python in known.items()
        if path.is_file()
    }


def parsed(content: bytes, python: Python, where: object) -> dict[NormalizedName, Version]:
    """The pins of a constraints file that hold on a Python, whoever wrote it.

    Raises `ManifestError` that names each line which is neither a pin nor a comment.
    """
    pins, wrong = {}, []
    # Only what ends a line for pip does here; a byte that is no UTF-8 spoils its line and no other.
    for number, line in enumerate(content.decode("utf-8", "replace").split("\n"), 1):
        text = _COMMENT.sub("", line).strip()
        if not text:
            continue
        try:
            name, version, holds = _pin(text, python)
        except ValueError as err:
            wrong.append(f"line {number}: {text[:120]!a}: {err}")
            continue
        if holds:
            pins[name] = version
    if wrong or not pins:
        raise ManifestError(
            f"{where} does not hold what upstream tested with on Python {python}",
            details=wrong[:10] or ["it has no pin"],
            hint="it must be a constraints file: one NAME==VERSION per line, and comments",
        )
    return pins


def _pin(text: str, python: Python) -> tuple[NormalizedName, Version, bool]:
    """Name and version of a line, and whether its marker holds. Raises ValueError for what pins no version."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement as err:
        raise ValueError("not a requirement (PEP 508)") from err
    pinned = [spec for spec in requirement.specifier if spec.operator == "==" and not spec.version.endswith(".*")]
    if len(requirement.specifier) != 1 or not pinned:
        raise ValueError("must pin one version with '=='")
    if requirement.extras:
        raise ValueError("a constraint has no extras")
    return canonicalize_name(requirement.name), Version(pinned[0].version), python.fits(requirement)


def rendered(version: Version, python: Python, origin: str, pins: Mapping[NormalizedName, Version]) -> bytes:
    """The file of a Python's preferences. `origin` is the sha256 of the file that upstream published."""
    lines = [
        f"# What upstream tested Apache Airflow {version} with on Python {python}: `certified constraints` prefers it.",
        f"# Written by its option --prefer, from a file with sha256 {origin}.",
        *(f"{name}=={pinned}" for name, pinned in sorted(pins.items())),
    ]
    return ("\n".join(lines) + "\n").encode()
