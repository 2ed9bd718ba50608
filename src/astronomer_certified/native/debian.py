"""Pinned C libraries -> what Debian has of them now, so that nobody ships an old one without knowing.

The machine's own apt is asked for source packages, in a folder of its own: nothing of the machine is changed, its
lists need not be new, and signatures are checked as its settings say.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from astronomer_certified.effects.disk import folder_in_use
from astronomer_certified.effects.processes import run
from astronomer_certified.errors import CommandFailed, EnvironmentMissing, UpstreamError

from .records import LibrarySource, NativeLibrary
from .sources import apt_environment

_TIMEOUT = 300.0


class Verdict(StrEnum):
    """What a release engineer makes of it: all but the first is to be looked at."""

    SAME = "as in Debian"
    OTHER_VERSION = "Debian has another version"
    OTHER_PATCHES = "Debian has other patches"
    PATCHES = "Debian's stable release has patches, ours none"
    UNKNOWN = "the mirrors of this machine do not have it"


# Fields of sources.list(5), in both of its forms.
_LINE = re.compile(r"^deb(-src)?(?=\s)", re.MULTILINE)
_TYPES = re.compile(r"^Types:.*$", re.MULTILINE | re.IGNORECASE)
# 3.0.22-1~deb12u2, 2.1.28+dfsg-10+deb12u1: most often security fixes.
_OF_A_STABLE_RELEASE = re.compile(r"[+~]deb[0-9]+u[0-9]+$")
_STANZA = re.compile(r"^(Package|Version):\s*(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A library beside Debian's: `source` is the version of Debian's source that it is made of, `patched` the one whose
    patches are applied to it ("" without any), `newest` what Debian has now ("" for nothing), `wheels` who holds it."""

    library: str
    source: str
    patched: str
    newest: str
    wheels: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """What somebody must look at."""
        if not self.newest:
            return Verdict.UNKNOWN
        if _upstream(self.newest) != _upstream(self.source):
            return Verdict.OTHER_VERSION
        if self.patched:
            return Verdict.SAME if self.patched == self.newest else Verdict.OTHER_PATCHES
        return Verdict.PATCHES if _OF_A_STABLE_RELEASE.search(self.newest) else Verdict.SAME


def standings(libraries: Mapping[str, NativeLibrary], holders: Mapping[str, Collection[str]]) -> tuple[Standing, ...]:
    """Each library beside Debian's; `holders` are the projects whose wheels hold it.

    Raises `EnvironmentMissing` without apt, and `UpstreamError` when its mirrors do not answer.
    """
    stated = {name: library.sources[0] for name, library in libraries.items()}
    newest = _newest({_package(source) for source in stated.values()})
    return tuple(
        Standing(
            library=name,
            source=_version_in(source.archive.filename),
            patched=_version_in(source.patches_archive.filename) if source.patches_archive else "",
            # Names of files have no epoch.
            newest=newest.get(_package(source), "").rpartition(":")[2],
            wheels=tuple(sorted(holders.get(name, ()))),
        )
        for name, source in sorted(stated.items())
    )


def _package(source: LibrarySource) -> str:
    """Debian's name of the source: pool/main/o/openssl/FILE."""
    return source.archive.path.split("/")[-2]


def _version_in(filename: str) -> str:
    """The version in a name like openssl_3.0.20-1~deb12u2.debian.tar.xz."""
    return re.sub(r"\.(debian|orig)\.tar\.\w+$", "", filename.partition("_")[2])


def _upstream(version: str) -> str:
    """Without the Debian revision (deb-version(7)), which names of source archives do not have either."""
    return version.rpartition("-")[0] or version


def _newest(packages: Collection[str]) -> dict[str, str]:
    """The highest version of each source package that the mirrors of this machine have."""
    missing = [name for name in ("apt-get", "apt-cache", "apt-config", "dpkg") if shutil.which(name) is None]
    if missing:
        raise EnvironmentMissing(
            f"{' and '.join(missing)} not found: apt knows what Debian has",
            hint="ask on a machine or in a container with Debian",
        )
    with folder_in_use("certified-apt-") as folder:
        options = _prepared(folder)
        try:
            run(["apt-get", *options, "-qq", "update"], env=apt_environment(), timeout=_TIMEOUT)
            words = ["apt-cache", *options, "showsrc", "--only-source", *sorted(packages)]
            # It ends with 100 where one of them is unknown, and has told of the others.
            told = run(words, env=apt_environment(), timeout=_TIMEOUT, check=False).stdout
        except CommandFailed as err:
            raise UpstreamError(
                "the mirrors of this machine's apt do not say what they have", details=err.details,
                hint="look at what `apt-get update` says here",
            ) from err  # fmt: skip
    found: dict[str, str] = {}
    name = ""
    for field, value in _STANZA.findall(told):
        if field == "Package":
            name = value
        elif name not in found or _is_higher(value, found[name]):
            found[name] = value
    return found


def _is_higher(version: str, other: str) -> bool:
    return run(["dpkg", "--compare-versions", version, "gt", other], check=False).returncode == 0


def _prepared(folder: Path) -> Sequence[str]:
    """Options by which apt keeps everything in that folder, and asks the machine's mirrors for sources."""
    parts = folder / "parts"
    for each in (parts, folder / "lists" / "partial", folder / "cache" / "archives" / "partial"):
        each.mkdir(parents=True)
    for number, path in enumerate(_sources_lists()):
        text = path.read_text(encoding="utf-8", errors="replace")
        as_sources = _TYPES.sub("Types: deb-src", text) if path.suffix == ".sources" else _LINE.sub("deb-src", text)
        (parts / f"{number}{path.suffix}").write_text(as_sources, encoding="utf-8")
    stated = {
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": str(parts),
        "Dir::State::Lists": str(folder / "lists"),
        "Dir::Cache": str(folder / "cache"),
        # For who is root: apt's own user may not enter the folder.
        "APT::Sandbox::User": "root",
        # By default, a mirror that does not answer is a warning, and what it has would be taken for all there is.
        "APT::Update::Error-Mode": "any",
    }
    return [word for key, value in stated.items() for word in ("-o", f"{key}={value}")]


def _sources_lists() -> Sequence[Path]:
    """The files that tell this machine's apt where its mirrors are."""
    words = ["apt-config", "shell", "LIST", "Dir::Etc::SourceList/f", "PARTS", "Dir::Etc::SourceParts/d"]
    told = dict(re.findall(r"^(\w+)='(.*)'$", run(words, env=apt_environment()).stdout, re.MULTILINE))
    # A setting of "-" or "/dev/null" is apt's way to say that there are none.
    parts = Path(told.get("PARTS", "/dev/null"))
    below = sorted(parts.iterdir()) if parts.is_dir() else []
    listed = [Path(told.get("LIST", "/dev/null")), *(path for path in below if path.suffix in (".list", ".sources"))]
    return [path for path in listed if path.is_file()]
