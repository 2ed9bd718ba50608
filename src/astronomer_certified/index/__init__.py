"""Wheels and sdists -> published files, served: the store, its server, its credentials and the publisher.

`store` is the folder of published files, `app` puts pypiserver in front of it, `server` runs that behind
waitress, `credentials` says who may upload, `publish` uploads with twine and looks at what is served then.
Importing this package costs nothing: pypiserver, waitress, passlib and requests are imported by the first
call that needs them, because `certified release` with nothing to do must be done at once.
"""

from __future__ import annotations

from .credentials import Credentials, ensure_credentials
from .publish import PublishedFile, publish
from .server import PROTECTED, Server, serve_forever

__all__ = [
    "PROTECTED",
    "Credentials",
    "PublishedFile",
    "Server",
    "ensure_credentials",
    "publish",
    "serve_forever",
]
