"""Wheels and what is said of an image -> the folder that any builder makes it from. Writes that folder.

    Containerfile, Containerfile.onbuild
    base.tar, python.tar           where the base is one of ours: Debian, and a CPython
    sbom.cdx.json                  the bill of materials
    packages.txt                   system packages
    constraints.txt                every pin of the release, which pip heeds in the image
    wheels/                        what the release needs, with requirements.txt, hashed
    own/                           what it changes: the patched wheels and the certified one, the same way
    compose.yaml                   services that run it with Celery, for docker compose and podman-compose
    helm-values.yaml               the same for the official Helm chart, of Airflow 2
    files/                         entrypoint and scripts, as they are in the image

The same arguments make the same bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from packaging.utils import parse_wheel_filename

from astronomer_certified.artifacts import Python, Release, Wheel
from astronomer_certified.effects.disk import link_or_copy
from astronomer_certified.errors import UsageError, WorkspaceError

from .suites import Suite

REPOSITORY = "ap-airflow"

# All that `write` makes. Who finds more in such a folder has found somebody's own.
_ENTRIES = frozenset({
    "Containerfile", "Containerfile.onbuild", "base.tar", "python.tar", "sbom.cdx.json", "packages.txt",
    "constraints.txt", "wheels", "own", "compose.yaml", "helm-values.yaml", "files",
})  # fmt: skip

_FILES = (
    "entrypoint", "entrypoint.py", "install-own", "install-packages", "install-wheels", "prepare",
    "requirements_guard.py", "settle-project",
)  # fmt: skip

# What a user's name may be for useradd(8), and what a home may be for a line of a Containerfile.
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
# A name as builders and registries take it (OCI distribution specification), with its tag.
_NAME = re.compile(r"(?:[a-z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*:[A-Za-z0-9_][A-Za-z0-9._-]{0,118}")
# That, with a tag, a digest or none, in a line of a Containerfile.
_BASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")
_ASSIGNMENT = re.compile(r"([A-Z][A-Z0-9_]*)=(\S*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnBase:
    """A base that was made here: its files, and those of a CPython and its version, like 3.8.18."""

    system: Path
    python: Path
    full_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheels:
    """What an image installs: `own` wheels, which a revision changes, and those that are the same in the next."""

    own: tuple[Wheel, ...]
    others: tuple[Wheel, ...]

    @property
    def every(self) -> tuple[Wheel, ...]:
        """All of them, our own first."""
        return (*self.own, *self.others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What an image is of. `base` is the name of an image in a registry, or one that was made here.

    `epoch` is the time of all that is made, in seconds since 1970; `environment` are the defaults of the payload.
    `extras` are those of the certified wheel. `given_name` is what it is called instead of by the release's names:
    `repository:tag`.
    """

    release: Release
    suite: Suite
    python: Python
    base: str | OwnBase
    epoch: int
    environment: Mapping[str, str]
    user: str = "astro"
    uid: int = 5000
    extras: tuple[str, ...] = ("default",)
    given_name: str | None = None

    def __post_init__(self) -> None:
        check_user(self.user, self.uid)
        check_names(self.given_name, self.base if isinstance(self.base, str) else None)

    @property
    def home(self) -> str:
        """AIRFLOW_HOME."""
        return self.environment["AIRFLOW_HOME"]

    @property
    def tag(self) -> str:
        """As the document writes it: 2.1.0-4-buster."""
        return tags(self.release, self.suite)[0]

    def names(self, *, onbuild: bool = False) -> tuple[str, ...]:
        """All that it is called, or its onbuild variant, `repository:tag`; the first means it for ever."""
        if self.given_name is not None:
            return (f"{self.given_name}{'-onbuild' * onbuild}",)
        return names(self.release, self.suite, onbuild=onbuild)


def check_user(user: str, uid: int) -> None:
    """UsageError for a user whom no image can have."""
    if not _USER.fullmatch(user) or user == "root":
        raise UsageError(f"{user!r} cannot be the user of an image", hint="small letters, digits, _ and -")
    if not 0 < uid < 65535:
        raise UsageError(f"{uid} cannot be the number of a user", hint="from 1 to 65534; 5000 by default")


def check_names(given: str | None, base: str | None) -> None:
    """UsageError for what can be no name of an image to be made, or of the one that it is made from."""
    if given is not None and not _NAME.fullmatch(given):
        raise UsageError(
            f"{given!r} cannot be the name of an image", hint="like example.org/team/airflow:1 or airflow:1"
        )
    if base is not None and not _BASE.fullmatch(base):
        raise UsageError(
            f"{base!r} cannot be the base of an image",
            hint="the name of one in a registry, like python:3.8-slim-bookworm; without --base it is made here",
        )


def tags(release: Release, suite: Suite, *, onbuild: bool = False) -> tuple[str, str]:
    """As the document writes it, 2.1.0-4-buster-onbuild, and the one that the next revision takes over,
    2.1.0-buster-onbuild."""
    ending = f"{suite.name}{'-onbuild' if onbuild else ''}"
    return f"{release.tag}-{ending}", f"{release.upstream}-{ending}"


def names(release: Release, suite: Suite, *, onbuild: bool = False) -> tuple[str, ...]:
    """What the image of a release is called, with both tags, or its onbuild variant."""
    return tuple(f"{REPOSITORY}:{tag}" for tag in tags(release, suite, onbuild=onbuild))


def defaults(shipped: str) -> dict[str, str]:
    """What the payload's environment file sets; what is commented out there has no default."""
    found = (_ASSIGNMENT.fullmatch(line.strip()) for line in shipped.splitlines())
    return {match[1]: match[2] for match in found if match is not None}


def check_replaceable(folder: Path) -> None:
    """WorkspaceError where the folder of an image holds what no tool wrote: who writes it anew replaces it whole."""
    others = sorted(path.name for path in folder.iterdir() if path.name not in _ENTRIES) if folder.is_dir() else []
    if others:
        raise WorkspaceError(
            f"{folder} holds what is not of this tool, and would lose it: {', '.join(others)}",
            hint="nothing was changed; move that to a folder of your own, and copy compose.yaml there if you use it",
        )


def write(folder: Path, image: Image, wheels: Wheels, constraints: str, bill: bytes) -> None:
    """The folder, which is empty, has all that the image is made of. `constraints` are the pins of the release's
    Python, as a requirements file; `bill` is the bill of materials."""
    (folder / "files").mkdir(parents=True)
    _put(folder / "wheels", wheels.others)
    _put(folder / "own", wheels.own)
    (folder / "constraints.txt").write_text(constraints, encoding="utf-8")
    (folder / "sbom.cdx.json").write_bytes(bill)
    (folder / "packages.txt").write_text("".join(f"{name}\n" for name in packages(image)), encoding="utf-8")
    for name in _FILES:
        content = _file(name)
        target = folder / "files" / name
        target.write_bytes(content)
        target.chmod(0o755)
    if isinstance(image.base, OwnBase):
        link_or_copy(image.base.system, folder / "base.tar")
        link_or_copy(image.base.python, folder / "python.tar")
    (folder / "Containerfile").write_text(containerfile(image), encoding="utf-8")
    (folder / "Containerfile.onbuild").write_text(onbuild(image), encoding="utf-8")
    # The official chart is for Airflow 2.
    for name in ["compose.yaml", *["helm-values.yaml"] * _is_2(image)]:
        (folder / name).write_text(_filled(_file(name).decode(), image), encoding="utf-8")


def _put(folder: Path, wheels: Sequence[Wheel]) -> None:
    """The folder has these wheels, and pins them by their bytes."""
    folder.mkdir()
    for wheel in wheels:
        link_or_copy(wheel.path, folder / wheel.filename)
    lines = sorted(f"{_requirement(wheel)} --hash=sha256:{wheel.sha256}\n" for wheel in wheels)
    (folder / "requirements.txt").write_text("".join(lines), encoding="utf-8")


def packages(image: Image) -> tuple[str, ...]:
    """The system packages that the image has beside those of its base, by name."""
    return image.suite.of_own_base if isinstance(image.base, OwnBase) else tuple(sorted(image.suite.packages))


def containerfile(image: Image) -> str:
    """The text of the Containerfile."""
    return _filled(_file("Containerfile").decode(), image)


def onbuild(image: Image) -> str:
    """The text of the one that makes the onbuild variant."""
    return _filled(_file("Containerfile.onbuild").decode(), image)


def labels(image: Image) -> dict[str, str]:
    """What the image says of itself: the names of the OCI image specification, and those of Astronomer's images."""
    title = f"Astronomer Certified of Apache Airflow {image.release.upstream}"
    base = image.base if isinstance(image.base, str) else f"debian:{image.suite.name}"
    return {
        "org.opencontainers.image.title": title,
        "org.opencontainers.image.version": image.tag,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.base.name": base,
        "io.astronomer.docker": "true",
        "io.astronomer.docker.module": "airflow",
        "io.astronomer.docker.component": "airflow",
        "io.astronomer.docker.uid": str(image.uid),
        "io.astronomer.docker.airflow.version": str(image.release.patched),
        "io.astronomer.docker.ac.version": str(image.release.certified),
    }


def _filled(template: str, image: Image) -> str:
    name = image.names()[0]
    repository, _, tag = name.rpartition(":")
    values = {
        "tag": image.release.tag,
        "suite": image.suite.name,
        "python": str(image.python),
        "base": _base(image),
        "user": image.user,
        "uid": str(image.uid),
        "home": image.home,
        "epoch": str(image.epoch),
        "image": name,
        "repository": repository,
        "image_tag": tag,
        "upstream": str(image.release.upstream),
        "labels": _lines("LABEL", labels(image)),
        "environment": _lines("ENV", _environment(image)),
        "worker": json.dumps([*_celery(image), "worker"]),
        "flower": json.dumps([*_celery(image), "flower"]),
    }
    # At once: what takes the place of one word may hold another. `${NAME}` is for whoever reads what is made here.
    return re.sub(r"(?<!\$)\{(\w+)\}", lambda match: values[match[1]], template)


def _celery(image: Image) -> list[str]:
    """What begins the commands of Celery's services, which got a word of their own in 2.0."""
    return ["airflow", "celery"] if _is_2(image) else ["airflow"]


def _is_2(image: Image) -> bool:
    return image.release.upstream.major > 1


def _base(image: Image) -> str:
    if isinstance(image.base, str):
        return f"FROM {image.base} AS system"
    return "FROM scratch AS system\nADD base.tar /\nADD python.tar /usr/local/"


def _environment(image: Image) -> dict[str, str]:
    own = {
        "ASTRONOMER_USER": image.user,
        "ASTRONOMER_UID": str(image.uid),
        "PYTHON_MAJOR_MINOR_VERSION": str(image.python),
    }
    return {**image.environment, **own}


def _lines(instruction: str, values: Mapping[str, str]) -> str:
    # JSON's quoting is that of a Containerfile, but for the dollar, which would begin a variable.
    words = [f"{name}={json.dumps(value).replace('$', chr(92) + '$')}" for name, value in values.items()]
    return f"{instruction} " + " \\\n    ".join(words)


def _requirement(wheel: Wheel) -> str:
    name, version, _, _ = parse_wheel_filename(wheel.filename)
    return f"{name}=={version}"


def _file(name: str) -> bytes:
    return resources.files(__package__).joinpath("files", name).read_bytes()
