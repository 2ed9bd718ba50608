"""The upstream index as its client: which address, which files a project has there. Touches the network only.

Which index: CERTIFIED_UPSTREAM_INDEX_URL, else the machine's pip settings (a user's right when fetching upstream),
else the default of pypi_simple.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit, urlunsplit

from packaging.utils import NormalizedName

from .effects import run
from .errors import CommandFailed, UpstreamError

INDEX_VARIABLE = "CERTIFIED_UPSTREAM_INDEX_URL"
TIMEOUT = (15, 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """One file of a project as the upstream index lists it."""

    filename: str
    url: str
    sha256: str | None
    uploaded: datetime | None
    size: int | None
    yanked: bool


@functools.cache
def index_url() -> str:
    """The upstream index's simple API address."""
    if configured := os.environ.get(INDEX_VARIABLE) or os.environ.get("PIP_INDEX_URL"):
        return configured
    with contextlib.suppress(CommandFailed):
        words = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
        if url := run(words, env=dict(os.environ)).stdout.strip():
            return url
    from pypi_simple import PYPI_SIMPLE_ENDPOINT  # here: importing requests costs a no-op run its whole budget

    return str(PYPI_SIMPLE_ENDPOINT)


def shown_url() -> str:
    """The address for people, logs and redirects: without the user and password that it may hold."""
    parts = urlsplit(index_url())
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """A block in which a network that does not answer is an `UpstreamError` that names the index."""
    import requests
    from pypi_simple import UnsupportedContentTypeError, UnsupportedRepoVersionError

    try:
        yield
    except (requests.RequestException, UnsupportedContentTypeError, UnsupportedRepoVersionError) as err:
        raise UpstreamError(
            f"the upstream index does not answer: {shown_url()}",
            details=[str(err)],
            hint=f"check the network, or name another index in {INDEX_VARIABLE}; what is cached needs no network",
        ) from err


def files(project: NormalizedName) -> tuple[IndexFile, ...]:
    """Every file of a project on the upstream index. Raises `UpstreamError`."""
    from pypi_simple import NoSuchProjectError, PyPISimple

    with answering(), PyPISimple(index_url()) as client:
        try:
            page = client.get_project_page(project, timeout=TIMEOUT)
        except NoSuchProjectError as err:
            raise UpstreamError(f"{project} is not on the upstream index", details=[shown_url()]) from err
    return tuple(
        IndexFile(
            filename=package.filename,
            url=package.url,
            sha256=package.digests.get("sha256"),
            uploaded=package.upload_time,
            size=package.size,
            yanked=package.is_yanked,
        )
        for package in page.packages
    )
