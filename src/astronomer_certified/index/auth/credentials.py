"""Two file names -> a user who may upload. The server reads the htpasswd file, the publisher the secret file.

Both files are made on first use and never changed after that; people edit the htpasswd file with `htpasswd`.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from astronomer_certified.effects.disk import lock, sweep, write_atomic
from astronomer_certified.errors import PublishError

# bcrypt sees no more of a password; its library refuses longer ones.
_BCRYPT_BYTES = 72

# Characters of a password, whatever its scheme: who guesses with megabytes is not worth the work.
_LONGEST = 1000

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A login to an index. The password is kept out of `repr`, and so out of tracebacks and logs."""

    user: str
    password: str = field(repr=False)


def ensure_credentials(htpasswd: Path, secret: Path, user: str = "certified") -> Credentials:
    """The login of `user`, who is made on first use, with a random password, beside whoever there is already.

    The password lies in `secret` (mode 0600), its bcrypt hash in `htpasswd`. Processes that come at once
    agree on one. PublishError when the two files contradict each other, or one of them cannot be written.
    """
    try:
        with _alone(htpasswd):
            for path in (secret, htpasswd):
                sweep(path.parent, path.name)
            credentials = _made(htpasswd, secret, user)
    except OSError as err:
        raise PublishError(
            "the login of the index cannot be kept",
            details=[str(err)],
            hint="both files must be in folders that this user may write to",
        ) from err
    if not Htpasswd(htpasswd)(user, credentials.password):
        raise PublishError(
            f"{htpasswd} does not let {user} in with the password in {secret}",
            hint=f"set it anew: htpasswd -B -i {htpasswd} {user} < {secret}",
        )
    return credentials


def _made(htpasswd: Path, secret: Path, user: str) -> Credentials:
    """The login, which both files have now. Only for who works alone."""
    new = not htpasswd.exists()
    if not secret.exists():
        if user in user_names(htpasswd):
            raise PublishError(
                f"{htpasswd} has {user}, but {secret} has no password to upload with",
                hint=f"write the password of {user} into {secret} (mode 0600), or remove {htpasswd}",
            )
        # In this order: whoever sees an htpasswd file of ours sees the secret too, which was made before it.
        write_atomic(secret, f"{secrets.token_urlsafe(32)}\n".encode(), mode=0o600)
        new = True
    credentials = Credentials(user=user, password=secret.read_text(encoding="utf-8").strip())
    if new:
        _rewrite(htpasswd, [*_lines(htpasswd), f"{user}:{_hash(credentials.password)}"])
    return credentials


class Htpasswd:
    """Whether a user and password are in an htpasswd file, as it is now: changes count at once.

    A login that was right stays right until the file changes, without another bcrypt (0.2 s on purpose): a
    release of a hundred wheels costs one. Wrong ones are checked one at a time, so guessing takes no more
    than one core.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._checking = threading.Lock()
        # Logins that were right are remembered as hashes under this key: their passwords do not stay in memory.
        self._pepper = secrets.token_bytes(32)
        self._stamp: Stamp | None = None
        self._accepted: set[bytes] = set()
        self._users: Any = None
        self._kinds: dict[str, str] = {}
        if stamp_of(self._path) is None:
            raise PublishError(
                f"{path} cannot be read, so nobody could upload",
                hint=f"make it: htpasswd -B -c {path} USER",
            )

    def __call__(self, user: str, password: str) -> bool:
        """Whether the login is right now. Raises `PublishError` when the file cannot be read."""
        if self.remembers(user, password):
            return True
        # The stamp first: should the file change meanwhile, its next one differs, and nothing remembered now counts.
        stamp, key = stamp_of(self._path), self._key(user, password)
        with self._checking:
            self._reload(stamp)
            # Another thread may have found it right while this one waited for its turn.
            right = key in self._accepted or self._check(user, password)
            if right:
                self._accepted.add(key)
            return right

    def remembers(self, user: str, password: str) -> bool:
        """Whether the login was found right, and the file has not changed since: told at once."""
        stamp = stamp_of(self._path)
        return stamp is not None and stamp == self._stamp and self._key(user, password) in self._accepted

    def _key(self, user: str, password: str) -> bytes:
        # A NUL is in no user and no password (`set_password`), so no two logins are one text.
        login = f"{user}\0{password}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(login, key=self._pepper).digest()

    def _reload(self, stamp: Stamp | None) -> None:
        if stamp == self._stamp:
            return
        # Imported here: a tenth of a second that only a server and a publisher need to pay.
        from passlib.apache import HtpasswdFile  # type: ignore[import-untyped]

        self._accepted.clear()
        try:
            self._users = None if stamp is None else HtpasswdFile(self._path, context=_schemes())
        except (ValueError, OSError) as err:
            self._users, self._stamp = None, None
            raise PublishError(
                f"{self._path} is no file of users and passwords",
                details=[str(err)],
                hint="remove the line that is none, or restore the file",
            ) from err
        hashes = [self._users.get_hash(user) for user in self._users.users()] if self._users is not None else []
        known = [_as_text(word) for word in hashes]
        self._kinds = {_kind(word): word for word in known if _schemes().identify(word)}
        self._stamp = stamp

    def _check(self, user: str, password: str) -> bool:
        if self._users is None or len(password) > _LONGEST:
            return False
        try:
            known = _as_text(self._users.get_hash(user) or b"")
            scheme = _schemes().identify(known) if known else None
            if scheme == "bcrypt" and len(password.encode()) > _BCRYPT_BYTES:
                scheme = None
            # As slow whoever it is, or names, and whose hash is of which kind, could be guessed with a clock.
            for other in self._kinds.keys() - ({_kind(known)} if scheme else set()):
                _schemes().verify("", self._kinds[other])
            return scheme is not None and bool(self._users.check_password(user, password))
        except ValueError:  # A colon in the user, a NUL in the password: not a login that can exist.
            return False


def stamp_of(path: Path) -> Stamp | None:
    """What tells two states of a file of logins apart; None for one that is not there."""
    try:
        stat = path.stat()
    except OSError:
        return None
    # The clock of file systems is coarse: two writes may have one time, but a file that was renamed here is another
    # inode.
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


@functools.cache
def _schemes() -> Any:
    """The hashes that count. The older ones of htpasswd (MD5, SHA-1, crypt) are no protection any more."""
    from passlib.context import CryptContext  # type: ignore[import-untyped]

    return CryptContext(["bcrypt", "argon2"])


def _as_text(known: bytes | str) -> str:
    return known.decode("latin-1") if isinstance(known, bytes) else known


def _kind(known: str) -> str:
    """What says how long it takes to compare a password with the hash: its scheme, and its costs."""
    words = known.split("$")
    return "$".join(words[: 3 if words[1].startswith("2") else 4])


def _alone(htpasswd: Path) -> contextlib.AbstractContextManager[None]:
    """A block in which no other process changes the file or the secret beside it."""
    return lock(htpasswd.with_name(f".{htpasswd.name}.lock"), lambda holder: None)


def set_password(htpasswd: Path, user: str, password: str, scheme: str) -> None:
    """The user may upload with this password, which is kept by `scheme`, `bcrypt` or `argon2`. PublishError for a name
    or password that htpasswd cannot hold, and for a file that cannot be read."""
    if "\0" in password or len(password) > _LONGEST:
        raise PublishError("this cannot be a password", hint=f"no NUL, and no more than {_LONGEST} characters")
    if not user or any(sign in user for sign in ":\n\r\0") or user == "__token__":
        raise PublishError(f"{user!r} cannot be the name of a user", hint="no colon, no line break, not __token__")
    if scheme == "bcrypt" and len(password.encode()) > _BCRYPT_BYTES:
        raise PublishError(f"bcrypt takes no password of more than {_BCRYPT_BYTES} bytes", hint="--scheme argon2")
    with _alone(htpasswd):
        lines = [line for line in _lines(htpasswd) if line.partition(":")[0] != user]
        _rewrite(htpasswd, [*lines, f"{user}:{_hash(password, scheme)}"])


def remove_user(htpasswd: Path, user: str) -> None:
    """The user may no longer upload. PublishError when there is none of that name."""
    with _alone(htpasswd):
        lines = _lines(htpasswd)
        left = [line for line in lines if line.partition(":")[0] != user]
        if len(left) == len(lines):
            raise PublishError(f"there is no user {user}", details=user_names(htpasswd))
        _rewrite(htpasswd, left)


def user_names(htpasswd: Path) -> list[str]:
    """The users of an htpasswd file, in its order; none without a file. PublishError when it cannot be read."""
    return [line.partition(":")[0] for line in _lines(htpasswd)]


def _lines(htpasswd: Path) -> list[str]:
    try:
        return [line for line in htpasswd.read_text(encoding="utf-8").splitlines() if line.strip()]
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as err:
        raise PublishError(f"{htpasswd} cannot be read", details=[str(err)], hint="restore the file") from err


def _rewrite(htpasswd: Path, lines: list[str]) -> None:
    write_atomic(htpasswd, "".join(f"{line}\n" for line in lines).encode(), mode=0o640)


def _hash(password: str, scheme: str = "bcrypt") -> str:
    return str(_schemes().handler(scheme).hash(password))
