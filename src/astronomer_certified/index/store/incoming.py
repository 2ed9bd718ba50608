"""The stream of an upload -> its bytes in an open file, and their sha256, when they are those that were announced."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from .validation import Refused

_CHUNK = 1 << 20

# What the upload protocol knows beside sha256. md5 is asked of nothing but damage.
_DIGESTS: dict[str, Callable[[], Any]] = {
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "blake2_256": lambda: hashlib.blake2b(digest_size=32),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Who brings a file, and what else comes with it."""

    filename: str
    sha256: str | None = None
    md5: str | None = None
    blake2_256: str | None = None
    uploader: str = "operator"
    provenance: bytes | None = None
    limit: int | None = None
    """The most bytes that are taken; None for no limit."""


def copy(stream: BinaryIO, file: BinaryIO, upload: Upload) -> str:
    """The sha256 of what came, which is in the file now. Refused when it is too much, or not what was announced."""
    announced = {"md5": upload.md5, "blake2_256": upload.blake2_256}
    digests = {name: _DIGESTS[name]() for name, value in announced.items() if value} | {"sha256": hashlib.sha256()}
    size = 0
    while chunk := stream.read(_CHUNK):
        size += len(chunk)
        if upload.limit is not None and size > upload.limit:
            raise Refused(f"{upload.filename} is larger than the {upload.limit} bytes that are taken here")
        for digest in digests.values():
            digest.update(chunk)
        file.write(chunk)
    file.flush()
    received: dict[str, str] = {name: digest.hexdigest() for name, digest in digests.items()}
    for name, value in [("sha256", upload.sha256), *announced.items()]:
        if value and value.lower() != received[name]:
            raise Refused(
                f"{upload.filename} was damaged on its way",
                # `!a`: a stranger announced it, and this goes to terminals and logs.
                details=[f"announced {name} {value[:64]!a}", f"received  {name} {received[name]}"],
                hint="upload it again",
            )
    return received["sha256"]
