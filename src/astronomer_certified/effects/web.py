"""Addresses that others name -> what is there, within limits, and never from a machine that only we can reach.

A page of another index says where its files are. Whoever writes that page must not choose, through us, what is asked of
this machine, of its neighbours, or of the address at which a cloud tells its secrets (server-side request forgery).
"""

from __future__ import annotations

import contextlib
import ipaddress
import threading
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth
from requests.utils import get_auth_from_url, get_netrc_auth, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from astronomer_certified.errors import CertifiedError

from .addresses import shown

# Seconds to connect, and to wait for the next byte.
TIMEOUT = (10, 60)

# Who sends less than this on average, after the first seconds, holds on to a place that others wait for.
_SLOWEST = 1024
_PATIENCE = 60.0

# Seconds for the head of an answer. A server may send it byte by byte, each in time.
HEAD = 90.0

_PIECE = 256 << 10
_PORTS = {"http": 80, "https": 443}


class NotPublic(CertifiedError):
    """An address that only machines in here can reach, and that nobody here named."""


class TooMuch(CertifiedError):
    """More bytes than were to be expected, or fewer in a minute than anybody can use."""


def host_of(url: str) -> str:
    """The host and port of an address, as `HOST:PORT`, for the hosts that `session` may talk to."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or _PORTS.get(parts.scheme, 443)}"


class Login(AuthBase):
    """A user and password for one host, which no address has to hold: what is read from there names addresses, too."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._at = _origin(url)
        self._basic = HTTPBasicAuth(user.encode(), password.encode())

    @classmethod
    def of(cls, url: str) -> Login | None:
        """The login that stands in an address, percent-decoded (RFC 3986, 3.2.1); None where none does."""
        parts = urlsplit(url)
        if parts.username is None:
            return None
        return cls(url, unquote(parts.username), unquote(parts.password or ""))

    def is_for(self, url: str) -> bool:
        """Whether it is what that address is to be told."""
        return _origin(url) == self._at

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """The request, with what its host is to be told."""
        url = request.url or ""
        login: Callable[[requests.PreparedRequest], Any] | None = None
        if self.is_for(url):
            login = self._basic
        # What requests does where nobody gives it a login.
        elif given := (get_auth_from_url(url) if any(get_auth_from_url(url)) else get_netrc_auth(url)):
            login = HTTPBasicAuth(*given)
        if login is not None:
            login(request)
        return request


def _origin(url: str) -> tuple[str, str]:
    """Scheme, host and port, the host as it is asked for: a name of other letters has a spelling for that (IDNA)."""
    asked = requests.Request("GET", url).prepare().url or url
    return urlsplit(asked).scheme, host_of(asked)


class _Session(requests.Session):
    """One that knows its login also behind a redirect, where requests would look into a netrc file alone."""

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """The redirected request has the login of its own host, and of no other."""
        super().rebuild_auth(prepared_request, response)  # type: ignore[no-untyped-call]
        if isinstance(self.auth, Login) and self.auth.is_for(prepared_request.url or ""):
            self.auth(prepared_request)


def session(named: Collection[str], login: Login | None = None) -> requests.Session:
    """A session that connects to public addresses, and to the hosts that were `named` here: HOST:PORT, or HOST for
    all of its ports. Redirects are no way around that, nor is a name that resolves to something private. A `login` is
    told to its own host; for all others a netrc file counts, as ever with requests.

    Its calls raise `NotPublic`. Of a machine-wide proxy it is the proxy that resolves names; then only addresses that
    stand in the URL are looked at.
    """
    made = _Session()
    made.headers["User-Agent"] = "astronomer-certified"
    made.auth = login
    adapter = _Guarded(frozenset(name.lower() for name in named))
    for scheme in ("http://", "https://"):
        made.mount(scheme, adapter)
    return made


def pieces(answer: requests.Response, limit: int) -> Iterator[bytes]:
    """The decoded body, as it comes. Raises `TooMuch` beyond `limit` bytes, and for a body that only drips in;
    `requests.ConnectionError` when it breaks off."""
    begun, size = time.monotonic(), 0
    while True:
        try:
            # Not iter_content: it waits until a piece is full, however slowly it comes, and nobody could look at the
            # clock.
            piece = answer.raw.read1(_PIECE, decode_content=True)
        except (HTTPError, OSError) as err:
            raise requests.ConnectionError(f"{shown(answer.url)} broke off: {err}") from err
        if not piece:
            return
        size += len(piece)
        if size > limit:
            raise TooMuch(f"{shown(answer.url)} sends more than the {limit} bytes that are taken of it")
        taken = time.monotonic() - begun
        if taken > _PATIENCE and size < taken * _SLOWEST:
            raise TooMuch(f"{shown(answer.url)} sent {size} bytes in {taken:.0f} s")
        yield piece


def is_public(address: str) -> bool:
    """Whether anybody on the internet could reach that IP address; private, local and reserved ones are not, nor are
    those that carry one of them inside (RFC 4291, 3056, 4380, 6052)."""
    # The zone that may stand behind an address (RFC 4007) says nothing of where it leads.
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inside = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if any(found in network for network in _CARRYING):
            inside = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inside is not None:
            return is_public(str(inside))
    # For `ipaddress`, multicast addresses are global.
    return found.is_global and not found.is_multicast


# The last 32 bits are an IPv4 address: NAT64 (RFC 6052), that of a network of one's own (RFC 8215), and what RFC 4291
# calls compatible.
_CARRYING = tuple(ipaddress.IPv6Network(network) for network in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96"))


class _Guarded(HTTPAdapter):
    def __init__(self, named: frozenset[str]) -> None:
        self._named = named
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _pools(self._named)

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        url = request.url or ""
        if select_proxy(url, options.get("proxies")):
            _refuse_by_name(url, self._named)
        return super().send(request, *args, **options)


def _pools(named: frozenset[str]) -> dict[str, Any]:
    """Pools whose connections look at whom they have reached, before a word is said."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> Any:
            return _looked_at(super()._new_conn(), self, named)

        def getresponse(self) -> Any:
            with _in_time(self):
                return super().getresponse()

    class Secure(HTTPSConnection):
        def _new_conn(self) -> Any:
            return _looked_at(super()._new_conn(), self, named)

        def getresponse(self) -> Any:
            with _in_time(self):
                return super().getresponse()

    plain = type("Plain", (HTTPConnectionPool,), {"ConnectionCls": Plain})
    secure = type("Secure", (HTTPSConnectionPool,), {"ConnectionCls": Secure})
    return {"http": plain, "https": secure}


@contextlib.contextmanager
def _in_time(connection: HTTPConnection) -> Iterator[None]:
    """Within the block, the head of an answer is waited for: as a whole, and not from one byte to the next."""
    timer = threading.Timer(HEAD, _hang_up, (connection.sock,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _hang_up(waiting: Any) -> None:
    if waiting is not None:
        with contextlib.suppress(OSError):
            waiting.shutdown(2)  # SHUT_RDWR: whoever reads there is told that it has ended


def _looked_at(connected: Any, connection: HTTPConnection, named: frozenset[str]) -> Any:
    # After connecting: a name that is asked twice may answer differently the second time.
    address = connected.getpeername()[0]
    if not _is_named(connection.host, connection.port, named) and not is_public(address):
        connected.close()
        raise _not_public(connection.host, connection.port, address)
    return connected


def _refuse_by_name(url: str, named: frozenset[str]) -> None:
    host, _, port = host_of(url).rpartition(":")
    try:
        public = is_public(host)
    except ValueError:
        # A name: what it leads to is known to the proxy alone.
        public = host != "localhost" and not host.endswith(".localhost")
    if not public and not _is_named(host, int(port), named):
        raise _not_public(host, int(port), host)


def _is_named(host: str, port: int, named: frozenset[str]) -> bool:
    host = host.lower().strip("[]")
    return host in named or f"{host}:{port}" in named


def _not_public(host: str, port: int, address: str) -> NotPublic:
    return NotPublic(
        f"{host}:{port} is not asked: {address} is no public address",
        hint=f"if that is a host of yours, name it: --upstream-host {host}:{port}",
    )
