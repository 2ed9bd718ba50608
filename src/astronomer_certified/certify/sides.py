"""A served index -> the environments of a level: with the certified release, and with upstream's wheel in its place."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from astronomer_certified.artifacts import Interpreter, Release, Target
from astronomer_certified.effects.processes import clean_environment, run
from astronomer_certified.errors import CommandFailed, InstallError
from astronomer_certified.formats.wheel_files import readable, wheel_at
from astronomer_certified.pythons import environments, interpreters

from .levels import Sides

_TIMEOUT = 1800.0
# What uv says of an archive that has another sha256 than is asked for.
_OTHER_BYTES = "Hash mismatch for"
_OURS = ("astronomer-certified", "apache-airflow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to install, on what, from where; `upstream_wheel` is Airflow as its project made it, on disk.

    `wheels` are the sha256 of the core wheel and the certified wheel, by `NAME==VERSION`: the index must have these.
    `before` is a release that it has, too; None where it has none.
    """

    release: Release
    target: Target
    interpreter: Interpreter
    simple_url: str
    upstream_wheel: Path
    wheels: Mapping[str, str]
    before: Release | None


def made(wanted: Wanted, folder: Path) -> tuple[Sides, float]:
    """The environments, made by uv below `folder`, and the seconds that the certified install took.

    Upstream's has the same distributions in the same versions, from the same index, but for its own Airflow, and no
    certified wheel. Raises `InstallError`.
    """
    certified, upstream = folder / "certified", folder / "upstream"
    start = time.monotonic()
    # uv compares the bytes of what a hashed constraint names, and takes no other version of it.
    hashed = folder / "certified-wheels.txt"
    pins = "".join(f"{pin} --hash=sha256:{sha256}\n" for pin, sha256 in wanted.wheels.items())
    hashed.write_text(pins, encoding="utf-8")
    own = ["--constraint", str(hashed), wanted.target.requirement(wanted.release)]
    _install(wanted, certified, folder, own)
    seconds = round(time.monotonic() - start, 1)
    others = [line for line in _frozen(wanted, certified, folder) if line.partition("==")[0] not in _OURS]
    # Some of upstream's state what uv refuses to read.
    theirs = readable(wheel_at(wanted.upstream_wheel), folder / "upstream-wheel")
    _install(wanted, upstream, folder, ["--no-deps", *others, str(theirs.path)])
    earlier = None
    if wanted.before is not None:
        earlier = folder / "earlier"
        _install(wanted, earlier, folder, [wanted.target.requirement(wanted.before)])
    before = str(wanted.before.upstream) if wanted.before is not None else ""
    return Sides(certified=certified, upstream=upstream, earlier=earlier, before=before), seconds


def _install(wanted: Wanted, environment: Path, folder: Path, words: Sequence[str]) -> None:
    environments.create(environment, wanted.interpreter)
    own = [
        "install", "--quiet", "--index-url", wanted.simple_url, "--only-binary", ":all:",
        # What is built from source is whatever is newest today, which nobody has looked at.
        *words,
    ]  # fmt: skip
    try:
        _uv(wanted, environment, folder, own)
    except CommandFailed as err:
        hint = "run `certified release` first, which tries the same with pip"
        if any(_OTHER_BYTES in line for line in err.details):
            hint = f"{wanted.simple_url} has other wheels than those to certify: let it serve the index that has them"
        raise InstallError(
            f"{wanted.target.requirement(wanted.release)} on Python {wanted.interpreter.python}: uv cannot install it",
            details=(err.what, *err.details[1:]),
            hint=hint,
        ) from err


def _frozen(wanted: Wanted, environment: Path, folder: Path) -> list[str]:
    return _uv(wanted, environment, folder, ["freeze", "--quiet"]).split()


def _uv(wanted: Wanted, environment: Path, folder: Path, words: Sequence[str]) -> str:
    # A cache of its own: the index is at another port each time, and uv keeps what it fetched by address.
    env = clean_environment(UV_CACHE_DIR=str(folder / "uv-cache"), NO_PROXY="127.0.0.1,localhost")
    verb, *rest = words
    into: list[str | Path] = ["--no-config", "--python", environments.python_of(environment)]
    return run([interpreters.uv(), "pip", verb, *into, *rest], env=env, timeout=_TIMEOUT).stdout
