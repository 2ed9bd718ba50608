"""Store -> the WSGI application: what is read comes from `Site`, what is uploaded goes through pypiserver.

pypiserver speaks the upload protocol and asks for logins; its backend here is our store. What it leaves open is
closed: uploads that change, tear or forge a file are refused with a status line that says why (twine shows nothing
else), and nothing is removed. Importing this imports pypiserver, so `server` imports it late.
"""

from __future__ import annotations

import contextlib
import errno
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, BinaryIO, Self
from urllib.parse import quote

from packaging.utils import NormalizedName

from astronomer_certified.errors import CertifiedError
from astronomer_certified.index.api import metrics
from astronomer_certified.index.api.access import Log
from astronomer_certified.index.api.metrics import Counters
from astronomer_certified.index.api.passthrough import Passthrough
from astronomer_certified.index.api.provenance import provenance_object
from astronomer_certified.index.api.proxy import Passing, UpstreamSilent
from astronomer_certified.index.api.site import Answer, Site
from astronomer_certified.index.api.web_pages import WebPages
from astronomer_certified.index.auth.logins import Login, Refusal
from astronomer_certified.index.store import validation
from astronomer_certified.index.store.audit import Audit
from astronomer_certified.index.store.store import NameTaken, Store, Upload
from astronomer_certified.index.store.validation import Refused

from . import forms

with warnings.catch_warnings():
    # Its copy of Bottle imports `cgi`, which warns since Python 3.11 (PEP 594), and adds an import hook for
    # Bottle plugins that is older than PEP 451, so that Python 3.11 warns at every import from then on.
    warnings.simplefilter("ignore")
    import pypiserver
    from pypiserver.backend import Backend, BackendProxy
    from pypiserver.bottle_wrapper import HTTPError, request
    from pypiserver.config import Config

# Nothing here has Bottle plugins, and everything else in this process imports without that hook.
sys.meta_path[:] = [hook for hook in sys.meta_path if not type(hook).__module__.startswith("pypiserver.")]

_LONGEST_REASON = 1000
_UPLOADS_AT = ("/", "", "/legacy/", "/legacy")

# Requests that may wait for upstream at once; more are asked to come back. Other threads answer what is here.
AT_UPSTREAM = 16

_TURN_SECONDS = 1

# What the system says when nothing more can be written.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)

# pypiserver makes an application by importing its module anew; two threads at it would share one.
_building = threading.Lock()

Environ = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the application is made of."""

    store: Store
    site: Site
    counters: Counters
    log: Log
    metrics_folder: Any = None
    max_upload: int | None = None
    upstream: Passthrough | None = None
    people: WebPages


class Application:
    """The index as a WSGI application. Safe to call from several threads."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._uploads = _uploads(parts)
        # Site keeps pages without a lock; here requests are few, and each answer takes a millisecond at most.
        self._answering = threading.Lock()
        self._at_upstream = threading.BoundedSemaphore(AT_UPSTREAM)

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        noted: list[int] = []

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            noted.append(int(status[:3]))
            return start_response(status, headers, *more)

        try:
            body = self._respond(environ, start)
        except CertifiedError as err:
            # A damaged record, or file of logins: who asks for something else is answered.
            print(f"certified: {err}", file=sys.stderr, flush=True)
            body = _text(500, "What this needs cannot be read here; the index's log says why.", start)
        except OSError as err:
            if err.errno not in FULL:
                raise
            body = _text(507, "The index has no space left.", start)
        status = noted[0] if noted else 0
        self._parts.counters.count("upload" if environ["REQUEST_METHOD"] == "POST" else "back", status, 0)
        if self._parts.log.wanted:
            target = quote(environ.get("PATH_INFO", "").encode("latin-1"))
            self._parts.log.add(environ.get("REMOTE_ADDR", ""), environ["REQUEST_METHOD"], target, status, 0)
        return body

    def _respond(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        if "\0" in path:
            return _text(400, "An address has no NUL in it.", start_response)
        if method == "POST":
            path = path.removeprefix(self._parts.site.prefix)
            if path not in _UPLOADS_AT:
                return _text(405, "Files are uploaded to the root of this index.", start_response)
            return list(self._uploads(environ | {"PATH_INFO": "/"}, start_response))
        if method not in ("GET", "HEAD"):
            return _text(405, f"{method[:20]} is not known here.", start_response, (("Allow", "GET, HEAD, POST"),))
        if path.removeprefix(self._parts.site.prefix) == "/metrics":
            body = metrics.text(self._parts.store, self._parts.counters, self._parts.metrics_folder)
            answer: Answer | None = Answer(
                status=200, headers=(("Content-Type", "text/plain; version=0.0.4"),), body=body
            )
        else:
            target = quote(path.encode("latin-1"))
            if environ.get("QUERY_STRING"):
                target += f"?{environ['QUERY_STRING']}"
            with self._answering:
                answer = self._parts.site.answer(target, _headers(environ))
        if answer is None:
            answer = self._parts.people.answer(
                path.removeprefix(self._parts.site.prefix), environ.get("QUERY_STRING", "")
            )
        if answer is None:
            return self._elsewhere(path.removeprefix(self._parts.site.prefix), environ, start_response)
        return _send(answer, environ, start_response)

    def _elsewhere(self, path: str, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """What upstream has, if it may be passed on."""
        if self._parts.upstream is not None:
            if not self._at_upstream.acquire(timeout=_TURN_SECONDS):
                text = "Too many are waiting for upstream; try again."
                return _text(503, text, start_response, (("Retry-After", "1"),))
            with contextlib.ExitStack() as turn:
                turn.callback(self._at_upstream.release)
                try:
                    found = self._parts.upstream.answer(path, environ.get("QUERY_STRING", ""), _headers(environ))
                    first = next(found.pieces, b"") if isinstance(found, Passing) else b""
                except UpstreamSilent as err:
                    return _text(502, err.what, start_response)
                if isinstance(found, Passing):
                    sizes = [("Content-Length", str(found.size))] if found.size is not None else []
                    start_response("200 OK", [("Content-Type", "application/octet-stream"), *sizes])
                    return _Passed(first, found.pieces, turn.pop_all())
                if found is not None:
                    return _send(found, environ, start_response)
        return _text(404, "There is nothing here.", start_response)


class _Passed:
    """What comes from upstream, piece by piece. It has a turn there until it is closed."""

    def __init__(self, first: bytes, pieces: Iterator[bytes], turn: contextlib.ExitStack) -> None:
        self._first = first
        self._pieces = pieces
        self._turn = turn

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        first, self._first = self._first, b""
        return first or next(self._pieces)

    def close(self) -> None:
        with self._turn:
            close = getattr(self._pieces, "close", None)
            if close is not None:
                close()


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    headers = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
    if environ["REQUEST_METHOD"] == "HEAD":
        headers.pop("range", None)  # is defined for GET alone (RFC 9110, 14.2)
    return headers


def _send(answer: Answer, environ: Environ, start_response: Any) -> Iterable[bytes]:
    headers = list(answer.headers)
    if answer.status != HTTPStatus.NOT_MODIFIED:
        headers.append(("Content-Length", str(answer.length)))
    if answer.file is not None and environ["REQUEST_METHOD"] != "HEAD":
        try:
            file = answer.file.open("rb")
        except OSError:
            return _text(410, "This file is gone from the store.", start_response)
        file.seek(answer.span[0])
        start_response(_status(answer.status), headers)
        # The server sends the file from its loop: however slow the reader, no thread waits.
        pieces: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
        return pieces
    start_response(_status(answer.status), headers)
    return [answer.body] if environ["REQUEST_METHOD"] != "HEAD" else []


def _text(status: int, text: str, start_response: Any, headers: tuple[tuple[str, str], ...] = ()) -> Iterable[bytes]:
    body = f"{text}\n".encode()
    kind = (("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))))
    start_response(_status(status), [*kind, *headers])
    return [body]


def _status(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"


# --- uploads


def _uploads(parts: Parts) -> Any:
    """pypiserver, with our store behind it and our logins before it."""
    # Without --backend, pypiserver starts a watchdog thread where watchdog is installed, before we can
    # replace it.
    config = Config.from_args(["run", "--backend", "simple-dir", str(parts.store.root)]).with_updates(
        authenticate=["update"],
        auther=lambda user, password: _let_in(parts, user),
        disable_fallback=True,
        # pypiserver asks backend.exists() first and writes later; with `overwrite` the store alone decides,
        # at one instant, and may accept the same bytes again.
        overwrite=True,
    )
    config.backend = BackendProxy(_StoreBackend(config, parts))
    with _building:
        application = pypiserver.app_from_config(config)
        application.add_hook("after_request", _close_upload)
        application.catchall = False  # what goes wrong is told once, by Application
        return pypiserver.setup_routes_from_config(application, config)


def _let_in(parts: Parts, user: str) -> bool:
    """Whether the login was right: `back` checked it before the body was read. The form is read here, after the login
    and before pypiserver looks at it."""
    login = request.environ.get("certified.login")
    peer = request.environ.get("REMOTE_ADDR", "")
    if isinstance(login, Refusal):
        if login.status == HTTPStatus.FORBIDDEN:
            Audit(parts.store).note("login refused", user=user[:100], peer=peer, why=login.what)
        raise _http(login.status, login, login.headers)
    if isinstance(login, CertifiedError):
        raise login
    if not isinstance(login, Login):
        Audit(parts.store).note("login refused", user=user[:100], peer=peer)
        return False
    try:
        _read_form()
    except OSError as err:  # large bodies are spooled to TMPDIR
        raise _no_space(err, "this upload") from err
    return True


def _read_form() -> None:
    """Exactly one file came, in a form that can be read; else 400. Bottle and cgi raise what they like for others."""
    kind = request.environ.get("CONTENT_TYPE", "")
    if not kind.lower().startswith(("multipart/form-data", "application/x-www-form-urlencoded")):
        raise HTTPError("400 An upload is a form of the type multipart/form-data")
    if kind.lower().startswith("multipart/"):
        separator = forms.boundary(kind)
        if separator is None or not forms.is_sane(request.body, separator):
            raise HTTPError("400 This form cannot be read: no boundary, or a part with an endless head")
    try:
        form = request.POST
        action, files = form.getall(":action"), form.getall("content")
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, IndexError) as err:
        raise HTTPError("400 This form cannot be read: it is cut short or has no proper boundary") from err
    if len(action) != 1 or len(files) > 1:
        raise HTTPError("400 A form has one :action and one file")
    if any(not isinstance(value, str) or "\0" in value for value in action):
        raise HTTPError("400 The :action must be text")


def _close_upload() -> None:
    # Bottle spools large bodies, and cgi their fields, to temporary files that both leave to the collector.
    body, fields = (request.environ.get(key) for key in ("bottle.request.body", "_cgi.FieldStorage"))
    for file in (body, *(field.file for field in (fields and fields.list) or ())):
        if file is not None:
            file.close()


class _StoreBackend(Backend):  # type: ignore[misc]  # pypiserver has no types
    def __init__(self, config: Any, parts: Parts) -> None:
        super().__init__(config)
        self._parts = parts

    def get_all_packages(self) -> Iterator[Any]:
        # Nothing is read through pypiserver; it asks only before it removes, which is refused below.
        raise HTTPError("403 What is published is never removed; yank it instead")

    def exists(self, filename: str) -> bool:
        return (self._parts.store.root / filename).is_file()

    def add_package(self, filename: str, stream: BinaryIO) -> None:
        login = request.environ["certified.login"]
        peer = request.environ.get("REMOTE_ADDR", "")
        try:
            self._add(filename, stream, login)
        except NameTaken as err:
            self._refused(filename, login.name, err)
            # Like pypiserver: twine knows 400 as "exists already", everybody else 409.
            raise _http(400 if "twine" in request.get_header("User-Agent", "") else 409, err) from err
        except Refusal as err:
            self._refused(filename, login.name, err)
            raise _http(err.status, err, err.headers) from err
        except Refused as err:
            self._refused(filename, login.name, err)
            raise _http(400, err) from err
        except OSError as err:
            raise _no_space(err, filename) from err
        Audit(self._parts.store).note("uploaded", user=login.name, file=filename, peer=peer)

    def _add(self, filename: str, stream: BinaryIO, login: Any) -> None:
        if "gpg_signature" in request.files:
            raise Refused("Signatures are not kept here; upload the file alone")
        claimed = validation.parse(filename)
        login.allow(NormalizedName(claimed.project))
        fields = request.forms
        announced = fields.get("sha256_digest")
        _refuse_foreign_form(claimed, fields)
        attestations = fields.getunicode("attestations") if "attestations" in fields else None
        upload = Upload(
            filename=filename,
            sha256=announced or None,
            uploader=login.name,
            provenance=provenance_object(filename, announced, attestations) if attestations else None,
            limit=self._parts.max_upload,
        )
        self._parts.store.add(upload, stream)

    def _refused(self, filename: str, user: str, error: CertifiedError) -> None:
        peer = request.environ.get("REMOTE_ADDR", "")
        Audit(self._parts.store).note("upload refused", user=user, file=filename[:300], why=error.what, peer=peer)

    def remove_package(self, pkg: Any) -> None:
        raise HTTPError(f"403 {pkg} is published, and what is published is never removed")


def _no_space(err: OSError, what: str) -> Exception:
    """The answer for a disk that is full or may not be written; the error itself for any other."""
    refusal: Exception = HTTPError(f"507 The index has no space left for {what}")
    return refusal if err.errno in FULL else err


def _refuse_foreign_form(claimed: validation.ClaimedFile, fields: Any) -> None:
    """twine and uv say which project and version they mean; a form that means another one is a mistake."""
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

    name, version = fields.get("name") or "", fields.get("version") or ""
    try:
        agrees = (not name or canonicalize_name(name) == claimed.project) and (
            not version or Version(version) == claimed.version
        )
    except InvalidVersion:
        agrees = False
    if not agrees:
        raise Refused(
            f"{claimed.filename} is not what its form says", details=[f"the form: {name[:200]!a} {version[:200]!a}"]
        )


def _http(status: int, error: CertifiedError, headers: Mapping[str, str] | None = None) -> Exception:
    # The reason in the status line is all that twine prints of an answer: one line of ASCII, not too long.
    reason = " ".join("; ".join([error.what, *error.details]).split()).encode("ascii", "replace").decode()
    refusal: Exception = HTTPError(f"{status} {reason[:_LONGEST_REASON]}", str(error), headers=dict(headers or {}))
    return refusal
