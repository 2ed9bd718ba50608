"""Pinned file names -> files on disk whose sha256 was checked. Touches the network and the cache, nothing else.

Every byte is checked against the repository's sha256 before anybody reads it.
"""

from __future__ import annotations

from pathlib import Path

from astronomer_certified.artifacts import PinnedFile, UpstreamFile
from astronomer_certified.effects.disk import lock, naming, put, sha256_of
from astronomer_certified.errors import DigestMismatch, UpstreamError
from astronomer_certified.workspace import Workspace

from .index_client import INDEX_VARIABLE, TIMEOUT, answering, files, shown_url

_ATTEMPTS = 4
_BLOCK = 256 * 1024


def fetch(pinned: PinnedFile, workspace: Workspace) -> UpstreamFile:
    """The pinned file, from the cache or the network. Two at once share one download.

    A download that was torn goes on where it stopped. Raises `DigestMismatch` with both hashes, `UpstreamError`.
    """
    target = workspace.cached(pinned.sha256, pinned.filename)
    if target.is_file() and sha256_of(target) == pinned.sha256:
        return UpstreamFile(pinned=pinned, path=target)
    with lock(target.with_name(target.name + ".lock"), on_wait=lambda pid: None):
        # Another process may have fetched it while this one waited for the lock.
        if target.is_file():
            if sha256_of(target) == pinned.sha256:
                return UpstreamFile(pinned=pinned, path=target)
            target.unlink()  # bit rot in the cache: the name promises another content
        _download(pinned, target)
    return UpstreamFile(pinned=pinned, path=target)


def _download(pinned: PinnedFile, target: Path) -> None:
    listed = [file for file in files(pinned.project) if file.filename == pinned.filename]
    if not listed:
        raise UpstreamError(
            f"{pinned.filename} is not on the upstream index any more",
            details=[f"sha256 {pinned.sha256}", shown_url()],
            hint=f"put a copy at {target}, or name an index that has it in {INDEX_VARIABLE}",
        )
    # An index need not state a hash (PEP 503). One that states another is refused before anything is downloaded.
    if listed[0].sha256 not in (None, pinned.sha256):
        raise _mismatch(pinned, str(listed[0].sha256), "the index lists it with")
    part = target.with_name(target.name + ".part")
    left_over = part.exists()
    actual = _fetch_whole(listed[0].url, part)
    if actual != pinned.sha256 and left_over:
        # A killed run, or a power cut, may leave something else than the beginning of this file.
        part.unlink()
        actual = _fetch_whole(listed[0].url, part)
    if actual != pinned.sha256:
        part.unlink()
        raise _mismatch(pinned, actual, "downloaded")
    put(part, target)


def _fetch_whole(url: str, part: Path) -> str:
    """sha256 of `part`, which is as long as `url` when this returns. Goes on after a tear, a few times."""
    import requests

    with answering():
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                _fetch_rest(url, part)
                break
            # An answer with the status of a refusal is none of these: asking again would not change it.
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
                if attempt == _ATTEMPTS:
                    raise
    return sha256_of(part)


def _fetch_rest(url: str, part: Path) -> None:
    """Appends to `part` what is still missing of `url`; starts again where the server knows no ranges (RFC 9110)."""
    import requests

    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    # Identity: a range of a compressed transfer would not be a range of the file.
    headers["Accept-Encoding"] = "identity"
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416:  # the part is as long as the file, or longer: let the digest decide
            return
        response.raise_for_status()
        resumed = response.status_code == 206
        length = response.headers.get("Content-Length")
        total = int(length) + (have if resumed else 0) if length else None
        done = have if resumed else 0
        with naming(part), part.open("ab" if resumed else "wb") as stream:
            for block in response.iter_content(_BLOCK):
                stream.write(block)
                done += len(block)
        if total is not None and done < total:
            raise requests.ConnectionError(f"torn after {done} of {total} bytes")


def _mismatch(pinned: PinnedFile, actual: str, how: str) -> DigestMismatch:
    return DigestMismatch(
        f"{pinned.filename} does not have the sha256 that this repository says",
        details=[f"expected   {pinned.sha256}", f"{how} {actual}"],
        hint="do not use it: find out which of the two is wrong before you change the manifest",
    )
