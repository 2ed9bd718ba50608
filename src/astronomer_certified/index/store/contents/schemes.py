"""The paths in a wheel -> the same place for each, whoever installs it. Touches nothing.

What lies in a wheel's `.data` folder goes elsewhere: scripts to scripts, `purelib` beside the packages (PEP 427). pip
takes any folder of that ending for one; to uv, all but the wheel's own are plain folders. So one wheel put its files
into two places.
"""

from __future__ import annotations

from collections.abc import Iterable

from .members import Paths, refuse

# All that there are for a wheel; `platlib` and `purelib` lie beside what is in no such folder.
_PACKAGES = ("platlib", "purelib")
_SCHEMES = (*_PACKAGES, "headers", "scripts", "data")


def check_schemes(files: Iterable[str], dist_info: str) -> None:
    """Raises `Unsound` unless each file has one place that pip and uv agree on; `dist_info` is the wheel's folder."""
    own = f"{dist_info.removesuffix('.dist-info')}.data"
    packages = Paths()
    for name in files:
        top, _, rest = name.partition("/")
        # In any case: on some systems `a.DATA` is `a.data`. A file of that ending is a folder's to pip, too.
        if not top.lower().endswith(".data"):
            packages.add(name, folder=False)
            continue
        if top != own:
            raise refuse(name, f"is in another .data folder than {own}: installers differ in where it goes")
        scheme, _, place = rest.partition("/")
        if scheme not in _SCHEMES or not place:
            raise refuse(name, f"is in none of the folders that {own} may have: {', '.join(_SCHEMES)}")
        if scheme == "scripts" and "/" in place:
            raise refuse(name, "is in a folder of scripts, which has no folders")
        if scheme in _PACKAGES:
            _check_package(name, place)
            # Of two for one place, who is the last depends on the installer.
            packages.add(place, folder=False)
    packages.close()


def _check_package(name: str, place: str) -> None:
    top = place.partition("/")[0].lower()
    if top.endswith((".dist-info", ".data")):
        raise refuse(name, "would be the metadata of a distribution, which lies at the top of its wheel")
