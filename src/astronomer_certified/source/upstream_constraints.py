"""A file, folder or address that an operator names -> the constraints that upstream published for a version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from packaging.version import Version

from astronomer_certified.artifacts import Python
from astronomer_certified.effects.addresses import shown
from astronomer_certified.errors import UpstreamError

# Upstream's are under 20 kB; more than this is something else.
_LARGEST = 4 << 20

# How upstream lays them out: one folder per version, one file per Python. The second is a folder of one version alone.
_LAYOUTS = ("constraints-{version}/constraints-{python}.txt", "constraints-{python}.txt")


def find(where: str, version: Version, python: Python) -> tuple[str, bytes]:
    """Where the constraints of a version for a Python were found, for people, and what they are.

    `where` is a file or its address, a folder or an address laid out as upstream's, or either with {version} and
    {python} in it. Raises `UpstreamError` that names every place where none was.
    """
    tried = []
    for place in _places(where, str(version), str(python)):
        tried.append(shown(place))
        content = _download(place) if _is_address(place) else _read(Path(place))
        if content is not None:
            return shown(place), content
    raise UpstreamError(
        f"there are no constraints of upstream for {version} on Python {python}", details=tried,
        hint="name a file, or a folder or address that holds constraints-{version}/constraints-{python}.txt",
    )  # fmt: skip


def _is_address(place: str) -> bool:
    return urlsplit(place).scheme in ("http", "https")


def _places(where: str, version: str, python: str) -> Iterator[str]:
    """What the words of an operator may mean, the likelier first."""
    if "{version}" in where or "{python}" in where:
        yield where.replace("{version}", version).replace("{python}", python)
    elif where.endswith(".txt") or (not _is_address(where) and Path(where).is_file()):
        yield where
    else:
        for layout in _LAYOUTS:
            yield f"{where.rstrip('/')}/{layout.format(version=version, python=python)}"


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as err:
        raise UpstreamError(f"{path} cannot be read", details=[str(err)]) from err
    if len(content) > _LARGEST:
        raise UpstreamError(f"{path} is larger than the {_LARGEST} bytes that are taken of a constraints file")
    return content


def _download(url: str) -> bytes | None:
    """What is at an address; None when there is nothing."""
    import requests

    from astronomer_certified.effects.web import TIMEOUT, NotPublic, TooMuch, host_of, pieces, session

    try:
        # The operator named this host, and no other: it may be one of the network in here, but not lead to a third.
        with session({host_of(url)}) as client, client.get(url, timeout=TIMEOUT, stream=True) as answer:
            if answer.status_code in (404, 410):
                return None
            answer.raise_for_status()
            return b"".join(pieces(answer, _LARGEST))
    except (requests.RequestException, NotPublic, TooMuch) as err:
        raise UpstreamError(f"{shown(url)} does not answer with a constraints file", details=[str(err)]) from err
