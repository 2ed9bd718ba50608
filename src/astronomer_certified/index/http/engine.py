"""pypiserver with our store behind it: the upload protocol of the legacy API, and nothing else. Importing is slow."""

from __future__ import annotations

import contextlib
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

from packaging.utils import NormalizedName

from astronomer_certified.errors import CertifiedError
from astronomer_certified.index.api.provenance import provenance_object
from astronomer_certified.index.auth.logins import Refusal
from astronomer_certified.index.store import validation
from astronomer_certified.index.store.audit import Audit
from astronomer_certified.index.store.incoming import Upload
from astronomer_certified.index.store.store import NameTaken, Store
from astronomer_certified.index.store.validation import Refused

with warnings.catch_warnings():
    # Its copy of Bottle imports `cgi`, which warns since Python 3.11 (PEP 594), and adds an import hook for
    # Bottle plugins that is older than PEP 451, so that Python 3.11 warns at every import from then on.
    warnings.simplefilter("ignore")
    import pypiserver
    from pypiserver.backend import Backend, BackendProxy
    from pypiserver.bottle_wrapper import HTTPError, request
    from pypiserver.config import DEFAULTS, Config

# Nothing here has Bottle plugins, and everything else in this process imports without that hook.
sys.meta_path[:] = [hook for hook in sys.meta_path if not type(hook).__module__.startswith("pypiserver.")]

# Where pypiserver sends those who ask for what it does not have.
FALLBACK = f"{str(DEFAULTS.FALLBACK_URL).rstrip('/')}/"

_LONGEST_REASON = 1000

# pypiserver makes an application by importing its module anew; two threads at it would share one.
_building = threading.Lock()


def application(store: Store, limit: int | None) -> Any:
    """pypiserver as a WSGI application that takes uploads of at most `limit` bytes into the store.

    Who calls it has checked the login, and says so in `certified.login` of the environment.
    """
    # Without --backend, pypiserver starts a watchdog thread where watchdog is installed, before we can replace it.
    config = Config.from_args(["run", "--backend", "simple-dir", str(store.root)]).with_updates(
        authenticate=["update"],
        auther=lambda user, password: True,  # `uploads` knows before the body is read
        disable_fallback=True,
        # pypiserver asks backend.exists() first and writes later; with `overwrite` the store alone decides,
        # at one instant, and may accept the same bytes again.
        overwrite=True,
    )
    config.backend = BackendProxy(_StoreBackend(config, store, limit))
    with _building:
        made = pypiserver.app_from_config(config)
        made.catchall = False  # what goes wrong is told once, by `app`
        return pypiserver.setup_routes_from_config(made, config)


def form(parts: Iterable[Any]) -> Any:
    """The parts of a multipart form as Bottle has them: in place of its own reading of the body.

    Text is UTF-8 (RFC 7578, 5.1.2), which Bottle decodes when it is asked for text. A part may name another charset:
    none of those that Python knows is worth what they can be made to cost.
    """
    from pypiserver import bottle_wrapper

    fields = bottle_wrapper.FormsDict()
    for part in parts:
        if part.filename is not None:
            upload = bottle_wrapper.FileUpload(part.file, part.name, part.filename, dict(part.headerlist))
            fields.append(part.name, upload)
        else:
            fields.append(part.name, part.raw.decode("latin-1"))
    return fields


class _StoreBackend(Backend):  # type: ignore[misc]  # pypiserver has no types
    def __init__(self, config: Any, store: Store, limit: int | None) -> None:
        super().__init__(config)
        self._store = store
        self._limit = limit

    def get_all_packages(self) -> Iterator[Any]:
        # Nothing is read through pypiserver; it asks only before it removes, which is refused below.
        raise HTTPError("403 What is published is never removed; yank it instead")

    def exists(self, filename: str) -> bool:
        return (self._store.root / filename).is_file()

    def add_package(self, filename: str, stream: BinaryIO) -> None:
        login = request.environ["certified.login"]
        peer = request.environ.get("REMOTE_ADDR", "")
        try:
            self._add(filename, stream, login)
        except NameTaken as err:
            self._refused(filename, login.name, err)
            # twine --skip-existing knows the status, others look for the words.
            raise _http(409, err, prefix="File already exists: ") from err
        except Refusal as err:
            self._refused(filename, login.name, err)
            raise _http(err.status, err, err.headers) from err
        except Refused as err:
            self._refused(filename, login.name, err)
            raise _http(400, err) from err
        Audit(self._store).note("uploaded", user=login.name, file=filename, peer=peer)

    def _add(self, filename: str, stream: BinaryIO, login: Any) -> None:
        claimed = validation.parse(filename)
        login.allow(NormalizedName(claimed.project))
        fields = request.forms
        announced = fields.get("sha256_digest")
        _refuse_foreign_form(claimed, fields)
        attestations = fields.getunicode("attestations") if "attestations" in fields else None
        upload = Upload(
            filename=filename,
            sha256=announced or None,
            md5=fields.get("md5_digest") or None,
            blake2_256=fields.get("blake2_256_digest") or None,
            uploader=login.name,
            provenance=provenance_object(filename, announced, attestations) if attestations else None,
            limit=self._limit,
        )
        self._store.add(upload, stream)

    def _refused(self, filename: str, user: str, error: CertifiedError) -> None:
        peer = request.environ.get("REMOTE_ADDR", "")
        # Of a file that is not sound, the details say which member, and why.
        why = "; ".join([error.what, *error.details])[:_LONGEST_REASON]
        Audit(self._store).note("upload refused", user=user, file=filename[:300], why=why, peer=peer)

    def remove_package(self, pkg: Any) -> None:
        raise HTTPError(f"403 {pkg} is published, and what is published is never removed")


def _refuse_foreign_form(claimed: validation.ClaimedFile, fields: Any) -> None:
    """twine and uv say which project and version they mean; a form that means another one is a mistake."""
    from packaging.utils import canonicalize_name
    from packaging.version import Version

    name, version = fields.get("name") or "", fields.get("version") or ""
    agrees = False
    # A number of too many digits is a ValueError of another kind.
    with contextlib.suppress(ValueError):
        same_name = not name or canonicalize_name(name) == claimed.project
        agrees = same_name and (not version or Version(version) == claimed.version)
    if not agrees:
        raise Refused(
            f"{claimed.filename} is not what its form says", details=[f"the form: {name[:200]!a} {version[:200]!a}"]
        )


def _http(status: int, error: CertifiedError, headers: Mapping[str, str] | None = None, prefix: str = "") -> Exception:
    # The reason in the status line is all that twine prints of an answer: one line of ASCII, not too long.
    reason = prefix + " ".join("; ".join([error.what, *error.details]).split()).encode("ascii", "replace").decode()
    refusal: Exception = HTTPError(f"{status} {reason[:_LONGEST_REASON]}", str(error), headers=dict(headers or {}))
    return refusal
