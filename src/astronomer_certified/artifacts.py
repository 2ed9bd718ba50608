"""The records that cross stage borders. A newcomer reads this first: what a stage takes and gives is here."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import total_ordering
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

LOCAL_SEGMENT = "astro"
# Where METADATA comes from in a source tree: a series that touches one of them may change what is required.
METADATA_SOURCES = frozenset({"setup.py", "setup.cfg", "pyproject.toml", "PKG-INFO"})
# The processors that wheels with machine code can be made for, as `uname -m` names them. Releases are certified on the
# first, which each of them is for.
MACHINES = ("x86_64", "aarch64")


@total_ordering
@dataclass(frozen=True, slots=True)
class Release:
    """One AC release of one upstream version, and its three spellings (PEP 440 orders them alike)."""

    upstream: Version
    revision: int

    @property
    def tag(self) -> str:
        """`2.1.0-4`, the AC tag of people and images."""
        return f"{self.upstream}-{self.revision}"

    @property
    def certified(self) -> Version:
        """`2.1.0.post4`, the certified wheel's version."""
        return Version(f"{self.upstream}.post{self.revision}")

    @property
    def patched(self) -> Version:
        """`2.1.0+astro.4`, the version of a patched distribution (a PEP 440 local version)."""
        return Version(f"{self.upstream}+{LOCAL_SEGMENT}.{self.revision}")

    def is_named_by(self, output: str) -> bool:
        """Whether `airflow version` printed this release: alone, or after a `v` under a banner as in 1.10.7."""
        words = output.split()
        return bool(words) and words[-1].removeprefix("v") == str(self.patched)

    def __lt__(self, other: Release) -> bool:
        # By numbers: revision 11 comes after 6.
        return (self.upstream, self.revision) < (other.upstream, other.revision)


@dataclass(frozen=True, slots=True, order=True)
class Python:
    """A minor version of CPython that a release supports or is built with."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Python:
        """The version of `"3.8"`. Raises ValueError for anything but MAJOR.MINOR."""
        major, _, minor = text.partition(".")
        if not (major.isdigit() and minor.isdigit()):
            raise ValueError(f"{text!r} is not MAJOR.MINOR, like 3.8")
        return cls(int(major), int(minor))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"

    @property
    def tag(self) -> str:
        """`cp38`, the wheel tag (PEP 425)."""
        return f"cp{self.major}{self.minor}"

    @property
    def last(self) -> str:
        """A patch release that is later than any: bounds are read for it, whichever happens to be installed here."""
        return f"{self}.99"

    def fits(self, requirement: Requirement) -> bool:
        """Whether a requirement's marker holds on it; it does where there is none."""
        environment = {"python_version": str(self), "python_full_version": self.last}
        return requirement.marker is None or requirement.marker.evaluate(environment)

    def runs(self, requires_python: str | None) -> bool:
        """Whether a Requires-Python allows it; what is no specifier forbids nothing, as installers have it."""
        try:
            return SpecifierSet(requires_python or "").contains(self.last)
        except InvalidSpecifier:
            return True


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedFile:
    """A file of the upstream index, known by name and sha256 before it is fetched."""

    project: NormalizedName
    filename: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Where the upstream version stands in the source: `line` must occur exactly once in `file`."""

    file: str
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """A file that upstream's own wheel has and a build from its source does not."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """What a human states of one patched distribution (the core is one of them); `kind` is a word of `source.kinds`."""

    name: NormalizedName
    release: Release
    kind: str
    source: PinnedFile
    upstream_wheel: PinnedFile
    uploaded: datetime
    build_pythons: SpecifierSet
    build_requires: tuple[Requirement, ...]
    stamp: Stamp | None
    restore: tuple[Restore, ...]
    folder: Path

    @property
    def epoch(self) -> int:
        """Upload time in seconds since 1970: SOURCE_DATE_EPOCH of everything made from this source."""
        return int(self.uploaded.timestamp())


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One installation that a certificate speaks of: which extras on which Python."""

    python: Python
    extras: tuple[str, ...]

    def __str__(self) -> str:
        return f"[{','.join(self.extras)}] on Python {self.python}"

    def requirement(self, release: Release) -> str:
        """What a user types: `astronomer-certified[celery,postgres,redis]==2.1.0.*`."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        # With the star it takes the newest revision, as `.postN` belongs to the version.
        return f"astronomer-certified{extras}=={release.upstream}.*"


class CommandLine(enum.StrEnum):
    """Which of its two command lines an Airflow has: `airflow initdb` or `airflow db init`."""

    FLAT = "flat"
    GROUPED = "grouped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A requirement that wins over the cutoff date, and why; on some Pythons only, where `pythons` names any."""

    requirement: Requirement
    reason: str
    pythons: tuple[Python, ...] = ()

    def __str__(self) -> str:
        where = f" on Python {', '.join(map(str, self.pythons))}" if self.pythons else ""
        return f"{self.requirement}{where}"

    def holds(self, python: Python) -> bool:
        """Whether it is for a Python."""
        return not self.pythons or python in self.pythons


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """What upstream tested a version with on one Python: the file in the project, and the pins that it prefers."""

    path: Path
    sha256: str
    pins: Mapping[NormalizedName, Version]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A whole release as its human states it: patches/X.Y.Z/release.toml, validated."""

    path: Path
    core: Distribution
    repairs: tuple[Distribution, ...]
    pythons: tuple[Python, ...]
    machines: tuple[str, ...]
    """For which its wheels with machine code are made, of `MACHINES`."""
    cutoff: datetime
    listed: datetime
    providers: Mapping[NormalizedName, Version]
    documented_providers: Mapping[str, Version]
    """What the architecture document says where it cannot be had: by the names of its table."""
    extras: tuple[str, ...]
    left_out: Mapping[str, str]
    """Upstream's extras that this release does not have, with the reason."""
    no_longer_fixed: Mapping[str, str]
    """Vulnerabilities that an earlier revision fixed and this one does not, with the reason."""
    default_extras: frozenset[str]
    extra_requirements: Mapping[str, tuple[Requirement, ...]]
    overrides: tuple[Override, ...]
    later: Mapping[NormalizedName, datetime]
    preferences: Mapping[Python, Preferences]
    first_patch: Mapping[Python, int]
    """From which patch release on a Python counts, where that is not its first: 1 for 3.8.1."""
    command_line: CommandLine
    pips: Mapping[Python, Version]
    target: Target

    def overrides_on(self, python: Python) -> tuple[Override, ...]:
        """The overrides that hold on a Python."""
        return tuple(entry for entry in self.overrides if entry.holds(python))

    @property
    def release(self) -> Release:
        """The AC release that this manifest states."""
        return self.core.release

    @property
    def targets(self) -> tuple[Target, ...]:
        """Every installation that a complete certificate speaks of, the quick one first."""
        return (self.target, *(Target(python=python, extras=("default",)) for python in self.pythons))

    @property
    def distributions(self) -> tuple[Distribution, ...]:
        """All patched distributions, the core first."""
        return (self.core, *self.repairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamFile:
    """A pinned file that is on disk and whose sha256 was checked."""

    pinned: PinnedFile
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset:
    """A hunk whose text was found, unambiguously, at another line than the patch says."""

    patch: str
    file: str
    hunk: int
    expected_line: int
    found_line: int

    def __str__(self) -> str:
        return (
            f"{self.patch}: {self.file}, hunk {self.hunk} applies at line {self.found_line}, not {self.expected_line}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchedTree:
    """An upstream source with the whole series applied; it never exists with half of it."""

    path: Path
    applied: tuple[str, ...]
    touched: frozenset[str]
    offsets: tuple[Offset, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A wheel file on disk (PEP 427)."""

    path: Path
    sha256: str
    size: int

    @property
    def filename(self) -> str:
        """Its file name, which says name, version and tags."""
        return self.path.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One file in which a patched wheel and upstream's differ."""

    path: str
    change: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedPin:
    """One package of the closure and all its upstream files; none for a patched distribution."""

    name: NormalizedName
    version: Version
    sdist: PinnedFile | None
    uploaded: datetime | None
    wheels: tuple[PinnedFile, ...]
    requires_python: SpecifierSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The closure of all extras on one Python."""

    python: Python
    pins: Mapping[NormalizedName, ResolvedPin]
    core: frozenset[NormalizedName]
    extras: Mapping[str, frozenset[NormalizedName]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One package of a closure: exact version and the sha256 of every upstream file of it."""

    name: NormalizedName
    version: Version
    sha256: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """The resolved closure for one Python: pins by name, and which names each extra needs."""

    python: Python
    pins: Mapping[NormalizedName, Pin]
    core: frozenset[NormalizedName]
    extras: Mapping[str, frozenset[NormalizedName]]

    def wanted_by(self, manifest: Manifest, target: Target) -> frozenset[NormalizedName]:
        """The names that an installation consists of, the core itself left out."""
        # `default` is an extra of the certified wheel alone; constraints know the extras that it stands for.
        extras = frozenset(target.extras)
        if "default" in extras:
            extras = extras - {"default"} | manifest.default_extras
        return self.core.union(*(self.extras[extra] for extra in extras))


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelhouseItem:
    """One wheel that our index must hold: built from an sdist, or upstream's own wheel carried along.

    A project of which we hold one file is answered by us alone, so its other wheels must be here too. Releases share
    what they build: the same source gives the same bytes, with its own upload time for SOURCE_DATE_EPOCH.
    """

    source: PinnedFile
    version: Version
    uploaded: datetime
    build: bool
    pythons: tuple[Python, ...]
    machines: tuple[str, ...] = MACHINES[:1]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotDone:
    """Something that this machine could not do: never shown as done.

    `why` says what is missing and `how` how to get it; `kind` is the noun under which several are told together.
    """

    what: str
    why: str
    how: str
    kind: str = ""
    project: str = ""
    python: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python that was found, started and asked for its version."""

    python: Python
    executable: Path
    full_version: str
    found: str
