"""A request to upload -> its body on disk -> pypiserver, with our store behind it -> what becomes of the file.

pypiserver speaks the upload protocol. What it leaves open is closed: bodies have a limit that counts while they come,
forms are read by `multipart` with limits on their parts, and uploads that change, tear or forge a file are refused
with a status line that says why (twine shows nothing else). Nothing is ever removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, BinaryIO
from urllib.parse import parse_qsl

from astronomer_certified.effects.disk import FULL
from astronomer_certified.errors import CertifiedError, PublishError
from astronomer_certified.index.api.site import Answer
from astronomer_certified.index.auth.logins import Login, Refusal
from astronomer_certified.index.store.audit import Audit
from astronomer_certified.index.store.store import Store

from .messages import Receive, text
from .options import Setup

# Uploads that are stored, and pieces of bodies that are written, at once.
_AT_ONCE = 8
_WRITES = 4
# Of a Content-Length: int() of thousands of digits takes long or refuses them.
_DIGITS = 15
_MULTIPART = "multipart/form-data"
_PLAIN_FORM = "application/x-www-form-urlencoded"
_LONGEST_REASON = 1000

# Uploads of one login whose bodies come at once, how many times the largest they may have together, and seconds that
# one more waits. Its body is not read meanwhile, and costs nothing.
BODIES_OF_ONE = 4
_SIZE_OF_ONE = 2
_PATIENCE = 60.0

# Bytes of a form around its file; of a body, and of a part, that are kept in memory; that are written at once.
_FORM = 32 << 20
_IN_MEMORY = 64 << 10
_PART_IN_MEMORY = 1 << 20
_PIECE = 256 << 10

_BOUNDARY = 200
_CONTROL = re.compile("[\\x00-\\x1f\\x7f]")
_FILENAME = 1000

# twine sends one part for each requirement, and certified wheels have thousands.
_PARTS = 20_000
_PART_HEAD = 16 << 10
_LOGIN = (("WWW-Authenticate", 'Basic realm="index", charset="UTF-8"'),)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRequest:
    """An upload before its body: who says to send it, and what became of that login. `asked`: whether there was one."""

    user: str
    login: Login | CertifiedError | None
    peer: str
    headers: Mapping[str, str]
    asked: bool


class _Coming:
    """The uploads of one login that are on their way: how many, and their bytes so far. Stored one at a time."""

    def __init__(self) -> None:
        self.places = asyncio.Semaphore(BODIES_OF_ONE)
        self.turn = asyncio.Lock()
        self.size = 0

    @contextlib.contextmanager
    def body(self, file: Any) -> Iterator[_Body]:
        """A body that is to be written to that file, and counts until it is stored or refused."""
        body = _Body(coming=self, file=file)
        try:
            yield body
        finally:
            self.size -= body.size


@dataclass(slots=True, kw_only=True)
class _Body:
    """What came of a body so far, in bytes, and where it is."""

    coming: _Coming
    file: Any
    size: int = 0

    def grow(self, size: int) -> None:
        """So many bytes more."""
        self.size += size
        self.coming.size += size


class Uploads:
    """Takes uploads into a store. `refused` and `take` belong to the thread of the event loop."""

    def __init__(self, setup: Setup, store: Store) -> None:
        self._store = store
        self._limit = setup.options.max_upload
        self._pool = ThreadPoolExecutor(_AT_ONCE, "index upload")
        # What takes long to verify must not keep bodies from coming.
        self._disk = ThreadPoolExecutor(_WRITES, "index body")
        # As many as people who may upload.
        self._coming: defaultdict[str, _Coming] = defaultdict(_Coming)
        self._engine: Any = None
        self._building = threading.Lock()

    def close(self) -> None:
        """What is verified already is stored, and nothing more: of anything else nobody was told that it is."""
        self._store.verifier.give_up()
        self._disk.shutdown(wait=True, cancel_futures=True)
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def refused(self, upload: UploadRequest) -> Answer | None:
        """Why nothing of the body is read: no right login, or a body that cannot be taken. None when it is."""
        if self._store.read_only:
            return _say(HTTPStatus.FORBIDDEN, "This index is read-only: it takes no uploads.")
        length = upload.headers.get("content-length", "")
        if length.isdecimal() and (len(length) > _DIGITS or int(length) > self._limit + _FORM):
            return self._too_large()
        login = upload.login
        if isinstance(login, Refusal):
            if login.status == HTTPStatus.FORBIDDEN:
                await self._note("login refused", user=upload.user[:100], peer=upload.peer, why=login.what)
            return _say(login.status, str(login), tuple(login.headers.items()))
        if isinstance(login, CertifiedError):
            raise login
        if not isinstance(login, Login):
            if upload.asked:
                await self._note("login refused", user=upload.user[:100], peer=upload.peer)
                return _say(HTTPStatus.FORBIDDEN, "This login is not right.")
            return _say(HTTPStatus.UNAUTHORIZED, "Uploading needs a login.", _LOGIN)
        if not upload.headers.get("content-type", "").lower().startswith((_MULTIPART, _PLAIN_FORM)):
            return _say(HTTPStatus.BAD_REQUEST, f"An upload is a form of the type {_MULTIPART}.")
        return None

    def _too_large(self) -> Answer:
        why = f"Files of more than {self._limit} bytes are not taken here."
        # Closed, since what is still to come of the body would have to be read to its end.
        return _say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, why, (("Connection", "close"),))

    async def take(self, upload: UploadRequest, receive: Receive) -> Answer:
        """What became of an upload, once its body has come and its file is stored or refused."""
        # By whose login it is, not by the user that was sent: that is the same for all tokens.
        coming = self._coming[upload.login.name if isinstance(upload.login, Login) else ""]
        try:
            await asyncio.wait_for(coming.places.acquire(), _PATIENCE)
        except TimeoutError:
            return _too_many("Too many uploads of this login are on their way; try again.")
        try:
            with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file, coming.body(file) as body:
                refused = await self._received(body, receive)
                if refused is not None:
                    return refused
                async with coming.turn:
                    loop = asyncio.get_running_loop()
                    return await loop.run_in_executor(self._pool, self._store_it, upload, file)
        except OSError as err:
            if err.errno not in FULL:
                raise
            return _say(HTTPStatus.INSUFFICIENT_STORAGE, "The index has no space left for this upload.")
        finally:
            coming.places.release()

    async def _received(self, body: _Body, receive: Receive) -> Answer | None:
        """None when the whole body is on disk; else what to say instead."""
        loop = asyncio.get_running_loop()
        waiting = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                # It went away, or closed its half of the connection: then it still hears this.
                return _say(HTTPStatus.BAD_REQUEST, "This upload was cut short.", (("Connection", "close"),))
            piece = message.get("body", b"")
            body.grow(len(piece))
            if body.size > self._limit + _FORM:
                return self._too_large()
            if body.coming.size > (self._limit + _FORM) * _SIZE_OF_ONE:
                return _too_many("Uploads of this login that are on their way are too large together; try again.")
            waiting += piece
            more = bool(message.get("more_body"))
            if len(waiting) >= _PIECE or not more:
                # Not in the loop: a slow disk must not keep readers waiting.
                await loop.run_in_executor(self._disk, body.file.write, bytes(waiting))
                waiting.clear()
        body.file.seek(0)
        return None

    # --- in a thread

    def _store_it(self, upload: UploadRequest, body: Any) -> Answer:
        from . import engine  # with the first upload: it takes a third of a second

        with self._building:
            if self._engine is None:
                self._engine = engine.application(self._store, self._limit)
        environ = _environ(upload, body)
        with contextlib.ExitStack() as stack:
            try:
                environ["bottle.request.post"] = engine.form(_parts(upload, body, stack))
            except _BadForm as err:
                return _say(HTTPStatus.BAD_REQUEST, str(err))
            return _called(self._engine, environ)

    async def _note(self, what: str, **more: str) -> None:
        # Not in the loop: the line is on disk before it goes on.
        note = functools.partial(Audit(self._store).note, what, **more)
        await asyncio.get_running_loop().run_in_executor(self._disk, note)


def _say(status: int, words: str, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    # twine prints nothing of an answer but the reason in its status line.
    return replace(text(status, words, headers, route="upload"), reason=" ".join(words.split()))


def _too_many(words: str) -> Answer:
    # Closed, since what is still to come of the body would have to be read to its end.
    return _say(HTTPStatus.SERVICE_UNAVAILABLE, words, (("Retry-After", "10"), ("Connection", "close")))


class _BadForm(PublishError):
    """A form that cannot be read, or says too much."""


def _parts(upload: UploadRequest, body: BinaryIO, stack: contextlib.ExitStack) -> list[Any]:
    """The parts of the form: exactly one action and one file at most. Raises `_BadForm`."""
    from multipart import MultipartError, MultipartParser, parse_options_header

    kind, options = parse_options_header(upload.headers.get("content-type", ""))
    if kind.lower() == _PLAIN_FORM:
        return _plain_parts(body)
    boundary = options.get("boundary", "")
    if kind.lower() != _MULTIPART or not 0 < len(boundary) <= _BOUNDARY:
        raise _BadForm("This form cannot be read: it has no proper boundary")
    try:
        # Latin-1, which loses nothing: Bottle has bytes in that form, and decodes them when it is asked for text.
        parser = MultipartParser(
            body, boundary, charset="latin-1", strict=True, headersize_limit=_PART_HEAD, part_limit=_PARTS,
            spool_limit=_PART_IN_MEMORY, memory_limit=_FORM,
        )  # fmt: skip
        parts = []
        for part in parser:
            stack.callback(part.close)
            # A detached signature is taken and dropped, as the public index does.
            if part.name != "gpg_signature":
                parts.append(part)
    except (MultipartError, ValueError, LookupError) as err:
        raise _BadForm("This form cannot be read: it is cut short, or is no form") from err
    _refuse_ambiguous(parts)
    return parts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """A field of a form without files."""

    name: str
    value: str
    filename: None = None

    @property
    def raw(self) -> bytes:
        """The value as bytes."""
        return self.value.encode("latin-1")


def _plain_parts(body: BinaryIO) -> list[Any]:
    """The fields of a form without files, of old tools: pypiserver says what it makes of them."""
    try:
        fields = parse_qsl(body.read(_PART_HEAD).decode("latin-1"), max_num_fields=100)
        parts = [_Field(name=name, value=value) for name, value in fields]
    except ValueError as err:
        raise _BadForm("This form cannot be read: it has too many fields") from err
    _refuse_ambiguous(parts)
    return parts


def _refuse_ambiguous(parts: Sequence[Any]) -> None:
    actions = [part for part in parts if part.name == ":action"]
    files = [part for part in parts if part.name == "content"]
    if len(actions) != 1 or len(files) > 1:
        raise _BadForm("A form has one :action and one file")
    if any(part.filename is not None for part in parts if part.name != "content"):
        raise _BadForm("No field but content is a file")
    if b"\0" in actions[0].raw:
        raise _BadForm("The :action must be text")
    if actions[0].raw == b"doc_upload":
        # pypiserver would read the whole of it into memory, and keep nothing.
        raise _BadForm("This index takes no documentation")
    if any(len(part.filename or "") > _FILENAME for part in parts):
        raise _BadForm("No file has so long a name")
    # multipart's parser takes them, Bottle's objects do not.
    if any(_CONTROL.search(value) for part in parts for _, value in getattr(part, "headerlist", ())):
        raise _BadForm("A part of this form has a control character in its head")


def _environ(upload: UploadRequest, body: BinaryIO) -> dict[str, Any]:
    """The request for pypiserver (PEP 3333), its login checked already."""
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        # Whichever way it came: pypiserver takes uploads at its root alone.
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "index",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": upload.peer,
        "CONTENT_TYPE": upload.headers.get("content-type", ""),
        "HTTP_AUTHORIZATION": upload.headers.get("authorization", ""),
        "HTTP_USER_AGENT": upload.headers.get("user-agent", ""),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "certified.login": upload.login,
    }


def _called(application: Any, environ: dict[str, Any]) -> Answer:
    """What a WSGI application answers, as a whole."""
    said: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, headers: list[tuple[str, str]], *more: Any) -> None:
        said.append((status, headers))

    body = b"".join(application(environ, start))
    status, headers = said[-1]
    # `messages` adds the length, of every answer.
    kept = tuple((name, value) for name, value in headers if name.lower() != "content-length")
    return Answer(status=int(status[:3]), headers=kept, body=body, route="upload", reason=status[4:])
