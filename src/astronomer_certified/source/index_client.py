"""The upstream index as its client: which address, which files a project has there. Touches the network only.

Which index: CERTIFIED_UPSTREAM_INDEX_URL, else the machine's pip settings (a user's right when fetching upstream),
else the default of pypi_simple.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self

from packaging.utils import NormalizedName

from astronomer_certified.effects.addresses import shown
from astronomer_certified.effects.processes import run
from astronomer_certified.errors import CommandFailed, UpstreamError

if TYPE_CHECKING:
    from pypi_simple import PyPISimple

INDEX_VARIABLE = "CERTIFIED_UPSTREAM_INDEX_URL"
# Seconds to connect, and to wait for the next byte.
TIMEOUT = (15, 60)
_PAGES_AT_ONCE = 8
# Seconds that are waited between attempts, doubled after each.
_BACKOFF = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """One file of a project as the upstream index lists it."""

    filename: str
    url: str
    sha256: str | None
    uploaded: datetime | None
    version: str | None
    requires_python: str | None
    yanked: bool = False


@functools.cache
def index_url() -> str:
    """The upstream index's simple API address."""
    if configured := os.environ.get(INDEX_VARIABLE) or os.environ.get("PIP_INDEX_URL"):
        return configured
    # pip ends with 1 where nothing is configured; and this Python may have no pip.
    with contextlib.suppress(CommandFailed):
        words = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
        # With all variables, unlike other programs: here it is the user's own settings that are asked for.
        if url := run(words, env=dict(os.environ)).stdout.strip():
            return url
    from pypi_simple import PYPI_SIMPLE_ENDPOINT  # here: importing requests costs a no-op run its whole budget

    return str(PYPI_SIMPLE_ENDPOINT)


def shown_url() -> str:
    """The address for people, logs and redirects: without the user and password that it may hold."""
    return shown(index_url())


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


class Pages:
    """The project pages of the upstream index, each asked for once. Use it in a `with` block, from any thread."""

    def __init__(self) -> None:
        self._known: dict[NormalizedName, tuple[IndexFile, ...]] = {}
        self._client: PyPISimple | None = None

    def __enter__(self) -> Self:
        from pypi_simple import PyPISimple
        from requests.adapters import HTTPAdapter
        from urllib3.util import Retry

        self._client = PyPISimple(index_url())
        # What a busy index says, and no longer says a moment later.
        retry = Retry(total=5, backoff_factor=_BACKOFF, status_forcelist=[429, 502, 503, 504])
        for scheme in ("http://", "https://"):
            self._client.s.mount(scheme, HTTPAdapter(max_retries=retry, pool_maxsize=_PAGES_AT_ONCE))
        return self

    def __exit__(self, *args: object) -> None:
        if self._client is not None:
            self._client.s.close()

    def of(self, projects: Iterable[NormalizedName]) -> dict[NormalizedName, tuple[IndexFile, ...]]:
        """The files of each project. Raises `UpstreamError`."""
        wanted = [project for project in dict.fromkeys(projects) if project not in self._known]
        with ThreadPoolExecutor(_PAGES_AT_ONCE) as pool:
            self._known |= dict(zip(wanted, pool.map(self._page, wanted), strict=True))
        return {project: self._known[project] for project in projects}

    def _page(self, project: NormalizedName) -> tuple[IndexFile, ...]:
        from pypi_simple import NoSuchProjectError

        assert self._client is not None  # `with` made one
        with answering():
            try:
                page = self._client.get_project_page(project, timeout=TIMEOUT)
            except NoSuchProjectError as err:
                raise UpstreamError(f"{project} is not on the upstream index", details=[shown_url()]) from err
        return tuple(
            IndexFile(
                filename=package.filename,
                url=package.url,
                sha256=package.digests.get("sha256"),
                uploaded=package.upload_time,
                version=package.version,
                requires_python=package.requires_python,
                yanked=package.is_yanked,
            )
            for package in page.packages
        )


def files(project: NormalizedName) -> tuple[IndexFile, ...]:
    """Every file of a project on the upstream index. Raises `UpstreamError`."""
    with Pages() as pages:
        return pages.of([project])[project]
