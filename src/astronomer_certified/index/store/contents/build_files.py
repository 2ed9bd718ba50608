"""The bytes of an sdist's pyproject.toml -> nothing, when pip and uv can tell from it how to build. Touches nothing."""

from __future__ import annotations

import posixpath
import tomllib
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from .members import Unsound

# More than any project has.
MOST_BYTES = 1 << 20


def check_pyproject(content: bytes) -> None:
    """Raises `Unsound` for what pip or uv refuses to build from (PEP 517, 518 and 621)."""
    try:
        values = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as err:
        raise Unsound("its pyproject.toml is none", details=[f"{err!s:.300}"]) from err
    system = values.get("build-system", {"requires": []})
    if not isinstance(system, dict) or not _is_list(system.get("requires")):
        raise Unsound("its pyproject.toml has a build-system without a list of what it requires")
    for text in system["requires"]:
        try:
            Requirement(text)
        except (InvalidRequirement, RecursionError) as err:
            raise Unsound("its build-system requires what installers do not read", details=[f"{text[:200]!a}"]) from err
    if not isinstance(system.get("build-backend", ""), str) or not _is_within(system.get("backend-path", [])):
        raise Unsound("its build-system has a backend that is none, or one outside of its folder")
    project = values.get("project")
    if project is not None and not (isinstance(project, dict) and isinstance(project.get("name"), str)):
        raise Unsound("its pyproject.toml has a project without a name")


def _is_within(paths: Any) -> bool:
    return _is_list(paths) and not any(posixpath.normpath(path).startswith(("/", "..")) for path in paths)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
