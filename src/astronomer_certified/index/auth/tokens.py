"""A file of upload tokens: who may upload what, until when. Only their hashes are kept.

A token is 43 random characters, so a plain sha256 keeps it as well as a slow hash would, and costs nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from packaging.utils import NormalizedName

from astronomer_certified.effects.disk import lock, write_atomic
from astronomer_certified.errors import PublishError

# What a client gives as the user name, as everywhere.
USER = "__token__"

_MARK = "ac-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a token allows. `projects` are patterns of normalized names; `expires` is in seconds since 1970."""

    name: str
    user: str
    projects: tuple[str, ...]
    expires: float | None
    sha256: str

    def covers(self, project: NormalizedName) -> bool:
        """Whether the token is for that project."""
        return any(fnmatchcase(project, pattern) for pattern in self.projects)

    @property
    def expired(self) -> bool:
        """Whether its end has passed."""
        return self.expires is not None and self.expires < time.time()


def issue(path: Path, *, name: str, user: str, projects: Iterable[str], expires: float | None) -> str:
    """The text of a new token, which is nowhere else from now on. PublishError when its name is taken."""
    text = _MARK + secrets.token_urlsafe(32)
    token = Token(name=name, user=user, projects=tuple(projects), expires=expires, sha256=_hash(text))
    # Read and written under one lock, or one of two commands would lose the other's token.
    with lock(path.with_name(f".{path.name}.lock"), lambda holder: None):
        known = read(path)
        if any(other.name == name for other in known):
            raise PublishError(f"there is a token {name} already", hint="choose another name, or revoke that one")
        _write(path, [*known, token])
    return text


def revoke(path: Path, name: str) -> None:
    """The token of that name lets nobody in any more; PublishError when there is none."""
    with lock(path.with_name(f".{path.name}.lock"), lambda holder: None):
        known = read(path)
        left = [token for token in known if token.name != name]
        if len(left) == len(known):
            raise PublishError(f"there is no token {name}", details=[token.name for token in known])
        _write(path, left)


def read(path: Path) -> tuple[Token, ...]:
    """The tokens of the file; none when there is no file. PublishError when it cannot be read."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return tuple(Token(**value | {"projects": tuple(value["projects"])}) for value in values["tokens"])
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise PublishError(f"{path} is no file of tokens", details=[str(err)], hint="restore it, or remove it") from err


def find(tokens: Iterable[Token], text: str) -> Token | None:
    """The token whose text this is, expired or not; None for none. It takes the same time whatever the text is."""
    digest = _hash(text)
    found = None
    # To the end, also when it is found: the time must not tell where in the file it stands.
    for token in tokens:
        if hmac.compare_digest(token.sha256, digest):
            found = token
    return found


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _write(path: Path, tokens: Iterable[Token]) -> None:
    write_atomic(path, json.dumps({"tokens": [asdict(token) for token in tokens]}, indent=1).encode(), mode=0o640)
