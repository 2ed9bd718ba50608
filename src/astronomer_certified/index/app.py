"""Store -> pypiserver's WSGI application, with the store as its backend.

What pypiserver leaves open is closed here: uploads that change, tear or forge a file are refused with a
status line that says why (twine shows nothing else), nothing is removed, and protected names never reach a
fallback. Importing this imports pypiserver, so `server` imports it late.
"""

from __future__ import annotations

import errno
import sys
import threading
import warnings
from collections.abc import Callable, Collection, Iterator
from typing import Any, BinaryIO

from packaging.utils import NormalizedName, canonicalize_name

from astronomer_certified.errors import CertifiedError

from .distributions import Distribution, Refused
from .store import NameTaken, Store

with warnings.catch_warnings():
    # Its copy of Bottle imports `cgi`, which warns since Python 3.11 (PEP 594), and adds an import hook for
    # Bottle plugins that is older than PEP 451, so that Python 3.11 warns at every import from then on.
    warnings.simplefilter("ignore")
    import pypiserver
    from pypiserver.backend import Backend, BackendProxy
    from pypiserver.bottle_wrapper import HTTPError, request
    from pypiserver.config import Config
    from pypiserver.core import PkgFile

# Nothing here has Bottle plugins, and everything else in this process imports without that hook.
sys.meta_path[:] = [hook for hook in sys.meta_path if not type(hook).__module__.startswith("pypiserver.")]

_LONGEST_REASON = 1000

# pypiserver makes an application by importing its module anew; two threads at it would share one.
_building = threading.Lock()


def build(
    store: Store,
    *,
    auther: Callable[[str, str], bool],
    fallback: bool | str,
    protected: Collection[NormalizedName],
) -> Any:
    """The WSGI application that serves `store`; `auther` says who may upload, reading needs no login.

    `fallback` is where unknown projects are sent: True for pypiserver's own default, False for nowhere, or
    a URL.
    """
    # Without --backend, pypiserver starts a watchdog thread where watchdog is installed, before we can
    # replace it.
    config = Config.from_args(["run", "--backend", "simple-dir", str(store.root)]).with_updates(
        authenticate=["update"],
        auther=auther,
        disable_fallback=not fallback,
        # pypiserver asks backend.exists() first and writes later; with `overwrite` the store alone decides,
        # at one instant, and may accept the same bytes again.
        overwrite=True,
        **({"fallback_url": fallback} if isinstance(fallback, str) else {}),
    )
    config.backend = BackendProxy(_StoreBackend(config, store, protected))
    with _building:
        application = pypiserver.app_from_config(config)
        application.add_hook("after_request", _close_upload)
        return pypiserver.setup_routes_from_config(application, config)


def _close_upload() -> None:
    # Bottle spools large bodies, and cgi their fields, to temporary files that both leave to the collector.
    body, fields = (request.environ.get(key) for key in ("bottle.request.body", "_cgi.FieldStorage"))
    for file in (body, *(field.file for field in (fields and fields.list) or ())):
        if file is not None:
            file.close()


class _StoredFile(PkgFile):  # type: ignore[misc]  # pypiserver has no types
    __slots__ = ()

    @property
    def fname_and_hash(self) -> str:
        # The base class keeps the first digest for ever; the store knows when it must look again.
        return f"{self.relfn_unix}#{self.digester(self)}"


class _StoreBackend(Backend):  # type: ignore[misc]
    def __init__(self, config: Any, store: Store, protected: Collection[NormalizedName]) -> None:
        super().__init__(config)
        self._store = store
        self._protected = frozenset(protected)
        self._files: dict[str, _StoredFile] = {}

    def get_all_packages(self) -> Iterator[_StoredFile]:
        for files in self._store.projects().values():
            yield from map(self._file, files)

    def find_project_packages(self, project: str) -> Iterator[_StoredFile]:
        name = canonicalize_name(project)
        files = self._store.projects().get(name, ())
        if not files and name in self._protected:
            # An empty answer would be turned into a redirect: to whoever registers our name over there.
            raise HTTPError(404, f"{name} is not published here, and is not taken from anywhere else")
        yield from map(self._file, files)

    def get_projects(self) -> Collection[str]:
        return self._store.projects().keys()

    def package_count(self) -> int:
        return sum(map(len, self._store.projects().values()))

    def exists(self, filename: str) -> bool:
        return (self._store.root / filename).is_file()

    def digest(self, pkg: Any) -> str:
        return f"sha256={self._store.sha256(pkg.relfn)}"

    def add_package(self, filename: str, stream: BinaryIO) -> None:
        if "gpg_signature" in request.files:
            raise HTTPError("400 Signatures are not kept here; upload the file alone")
        try:
            self._store.add(filename, stream, sha256=request.forms.get("sha256_digest"))
        except NameTaken as err:
            # Like pypiserver: twine knows 400 as "exists already", everybody else 409.
            raise _http(400 if "twine" in request.get_header("User-Agent", "") else 409, err) from err
        except Refused as err:
            raise _http(400, err) from err
        except OSError as err:
            if err.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise HTTPError(f"507 The index has no space left for {filename}") from err

    def remove_package(self, pkg: Any) -> None:
        raise HTTPError(f"403 {pkg.relfn} is published, and what is published is never removed")

    def _file(self, distribution: Distribution) -> _StoredFile:
        # Remembered, because each download walks over all of them and each parses its version anew.
        filename = distribution.filename
        if filename not in self._files:
            self._files[filename] = _StoredFile(
                pkgname=distribution.project,
                version=str(distribution.version),
                fn=str(self._store.root / filename),
                root=str(self._store.root),
                relfn=filename,
            )
        return self._files[filename]


def _http(status: int, error: CertifiedError) -> Exception:
    # The reason in the status line is all that twine prints of an answer: one line of ASCII, not too long.
    reason = " ".join("; ".join([error.what, *error.details]).split()).encode("ascii", "replace").decode()
    refusal: Exception = HTTPError(f"{status} {reason[:_LONGEST_REASON]}", str(error))
    return refusal
