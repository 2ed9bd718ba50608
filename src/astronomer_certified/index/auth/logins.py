"""User, password, address -> who it is and what they may upload. Reads the htpasswd file and the file of tokens."""

from __future__ import annotations

import base64
import threading
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName

from astronomer_certified.errors import PublishError
from astronomer_certified.index.store.records import timestamp

from . import tokens
from .credentials import Htpasswd, Stamp, stamp_of
from .tokens import Token

# Wrong logins within `_WINDOW` seconds, of one user at one address.
_FAILURES = 10
# Of all users of one address together: whoever takes a new name for each guess is no better off.
_FAILURES_AT_ADDRESS = 30

_WINDOW = 60.0
# Users and addresses that failed. Beyond it all are forgotten: memory must not grow with what strangers make up.
_REMEMBERED = 10_000


class Refusal(PublishError):
    """A login that is not let in, with the status of the answer."""

    def __init__(self, what: str, *, status: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(what)
        self.status = status
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who was let in. A token may be for some projects only."""

    name: str
    token: Token | None = None

    def allow(self, project: NormalizedName) -> None:
        """Raises Refusal (403) when the login is not for this project."""
        if self.token is not None and not self.token.covers(project):
            raise Refusal(f"the token {self.token.name} is not for {project}", status=403)


def basic(header: str) -> tuple[str, str] | None:
    """User and password of an Authorization header (RFC 7617); None for one of another kind, or a malformed one.

    In UTF-8, as the answer to who sends none asks for, or in Latin-1, which is what pip and twine know: no word with a
    letter beyond ASCII is both, but by a rare accident that ends in a refusal.
    """
    scheme, _, coded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        given = base64.b64decode(coded.strip(), validate=True)
    except ValueError:
        return None
    try:
        user, colon, password = given.decode().partition(":")
    except UnicodeDecodeError:
        user, colon, password = given.decode("latin-1").partition(":")
    return (user, password) if colon else None


class Logins:
    """Everybody who may upload. Files are read again when they change, so a revoked token is out at once.

    After ten wrong logins in a minute, the same user from the same address has to wait, and after thirty everybody
    there: right passwords too, or a guess could be told from a miss. Right tokens never wait: nobody guesses those.
    """

    def __init__(self, htpasswd: Path | None) -> None:
        self._htpasswd = Htpasswd(htpasswd) if htpasswd is not None else None
        self._tokens_file = htpasswd.with_name("tokens.json") if htpasswd is not None else None
        self._tokens: tuple[Stamp | None, tuple[Token, ...]] = (None, ())
        self._failures: defaultdict[tuple[str, str | None], deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def known(self, user: str, password: str, peer: str) -> Login | None:
        """The login, when that can be told at once: a token, or a password that was found right before. None for all
        others, which `check` must look at. Raises what `check` does."""
        if user == tokens.USER:
            return self._token(password)
        self._slow_down((peer, user), _FAILURES)
        self._slow_down((peer, None), _FAILURES_AT_ADDRESS)
        return Login(name=user) if self._htpasswd is not None and self._htpasswd.remembers(user, password) else None

    def check(self, user: str, password: str, peer: str) -> Login | None:
        """The login; None for a wrong one, which counts against its user and address.

        Raises Refusal for who has tried too often (429) and for a token that has expired (403); PublishError when a
        file of logins cannot be read.
        """
        if user == tokens.USER and (login := self._token(password)) is not None:
            return login
        self._slow_down((peer, user), _FAILURES)
        self._slow_down((peer, None), _FAILURES_AT_ADDRESS)
        if user != tokens.USER and self._htpasswd is not None and self._htpasswd(user, password):
            return Login(name=user)
        with self._lock:
            if len(self._failures) > _REMEMBERED:
                self._failures.clear()
            for key in ((peer, user), (peer, None)):
                self._failures[key].append(time.monotonic())
        return None

    def _slow_down(self, key: tuple[str, str | None], allowed: int) -> None:
        with self._lock:
            # get(): a defaultdict would remember everybody whom it is asked about.
            times = self._failures.get(key)
            now = time.monotonic()
            while times and times[0] < now - _WINDOW:
                times.popleft()
            if times is not None and not times:
                del self._failures[key]
            if times and len(times) >= allowed:
                wait = str(int(times[0] + _WINDOW - now) + 1)
                raise Refusal(
                    f"too many wrong logins; try again in {wait} s", status=429, headers={"Retry-After": wait}
                )

    def _token(self, text: str) -> Login | None:
        token = tokens.find(self._known_tokens(), text)
        if token is None:
            return None
        if token.expires is not None and token.expired:
            # Told to who has the token, and to nobody else.
            raise Refusal(f"the token {token.name} has expired: {timestamp(token.expires)}", status=403)
        return Login(name=f"{token.user} (token {token.name})", token=token)

    def _known_tokens(self) -> tuple[Token, ...]:
        if self._tokens_file is None:
            return ()
        # Before it is read: a file that changes meanwhile is read once more.
        stamp = stamp_of(self._tokens_file)
        # Both at once, and never asked again: another thread may put an older state there meanwhile.
        known, found = self._tokens
        if stamp != known:
            found = tokens.read(self._tokens_file)
            self._tokens = stamp, found
        return found
