"""Manifest + constraints -> the certified wheel: requires the core wheel, pins the whole closure, carries the payload.

Plain data in, one file out; needs no interpreter but the tool's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from astronomer_certified.artifacts import Constraints, Manifest, Python, Release, Wheel
from astronomer_certified.formats import wheel_files
from astronomer_certified.formats.wheel_files import Member

NAME = canonicalize_name("astronomer-certified")
_PACKAGE = "astronomer_certified"
DEFAULT_EXTRA = "default"
# Before, Airflow loads plugins with pkg_resources, which looks whether every pin of the distribution is fulfilled: with
# one other version no command of 1.10.7 and 1.10.10 starts any more, and 1.10.12 prints a traceback.
_LOADS_PLUGINS = Version("1.10.14")
_PAYLOAD = Path(__file__).parents[1] / "payload"

_SUMMARY = "Astronomer Certified: Apache Airflow {version} with a reviewed patch series and its whole closure pinned"
_DESCRIPTION = """\
Apache Airflow {version}, patched, pinned and proven.

Install it with one command and nothing else:

    pip install --index-url INDEX/simple/ 'astronomer-certified[celery,postgres,redis]=={version}.*'

This wheel requires `apache-airflow=={patched}` and pins every package of the closure for Python {pythons}.
`astronomer-certified --help` tells what else is in it. If you need other versions of some library, install
`apache-airflow=={patched}` with constraints of your own.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedPatch:
    """What users are told of a patch. `change` is where upstream speaks of it, `notice` what it asks of operators."""

    distribution: str
    name: str
    subject: str
    fixes: tuple[str, ...]
    change: str
    proofs: tuple[str, ...]
    notice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownVulnerability:
    """What the release says of a vulnerability: its status in the words of advisories, and why."""

    id: str
    aliases: tuple[str, ...]
    summary: str
    severity: float | None
    status: str
    reason: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What the wheel carries beside the payload: constraints files by name, and what is told of the release."""

    files: Mapping[str, bytes]
    patches: tuple[CarriedPatch, ...]
    vulnerabilities: tuple[KnownVulnerability, ...]


def build(manifest: Manifest, constraints: Sequence[Constraints], carried: Carried, folder: Path) -> Wheel:
    """The certified wheel in `folder`. The same arguments make the same bytes."""
    release = manifest.release
    info = f"{_PACKAGE}-{release.certified}.dist-info"
    members = {f"{_PACKAGE}/{name}": Member(content=content) for name, content in payload().items()}
    members |= {f"{_PACKAGE}/constraints/{name}": Member(content=content) for name, content in carried.files.items()}
    members[f"{_PACKAGE}/release.json"] = Member(content=_release_record(manifest, carried))
    members[f"{info}/METADATA"] = Member(content=metadata(manifest, constraints).encode())
    members[f"{info}/WHEEL"] = Member(
        content=b"Wheel-Version: 1.0\nGenerator: astronomer-certified-factory\n"
        b"Root-Is-Purelib: true\nTag: py3-none-any\n"
    )
    members[f"{info}/entry_points.txt"] = Member(content=_entry_points(release).encode())
    target = folder / f"{_PACKAGE}-{release.certified}-py3-none-any.whl"
    return wheel_files.write(target, members, manifest.core.epoch)


def _entry_points(release: Release) -> str:
    """The user command, and the plugin for Airflow's website where Airflow can be trusted with it."""
    command = f"[console_scripts]\nastronomer-certified = {_PACKAGE}.command:main\n"
    plugin = f"[airflow.plugins]\n{_PACKAGE} = {_PACKAGE}.mark:Mark\n"
    return command + plugin if release.upstream >= _LOADS_PLUGINS else command


def payload() -> dict[str, bytes]:
    """The files of the runtime payload, by their paths in it."""
    # Byte code would carry the Python and the paths of this machine into the wheel.
    paths = sorted(path for path in _PAYLOAD.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(_PAYLOAD).as_posix(): path.read_bytes() for path in paths}


def _release_record(manifest: Manifest, carried: Carried) -> bytes:
    release = manifest.release
    record = {
        # Who reads another number takes the first four keys, which stay, and no more.
        "format": 2,
        "tag": release.tag,
        "version": str(release.certified),
        "apache-airflow": str(release.patched),
        "pythons": [str(python) for python in manifest.pythons],
        # Its name only: it is made of this wheel, and holds its sha256.
        "certificate": f"certificate-{release.tag}.json",
        "patches": [asdict(item) for item in carried.patches],
        "vulnerabilities": [asdict(item) for item in carried.vulnerabilities],
    }
    return (json.dumps(record, indent=1) + "\n").encode()


def _without_early(manifest: Manifest) -> str:
    """The patch releases that the closure is not for, as clauses of Requires-Python."""
    return "".join(
        f",!={python}.{patch}" for python, first in sorted(manifest.first_patch.items()) for patch in range(first)
    )


def metadata(manifest: Manifest, constraints: Sequence[Constraints]) -> str:
    """The METADATA file (core metadata 2.1, which every pip from 19.3.1 on reads)."""
    release = manifest.release
    first, last = manifest.pythons[0], manifest.pythons[-1]
    gaps = [Python(first.major, minor) for minor in range(first.minor, last.minor)]
    # Requires-Python is a range; a Python inside of it that the release is not for must be taken out by name.
    without = "".join(f",!={python}.*" for python in gaps if python not in manifest.pythons)
    pythons = ", ".join(str(python) for python in manifest.pythons)
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {NAME}",
        f"Version: {release.certified}",
        f"Summary: {_SUMMARY.format(version=release.upstream)}",
        "License: Apache-2.0",
        *(f"Classifier: Programming Language :: Python :: {python}" for python in manifest.pythons),
        f"Requires-Python: >={first},<{last.major}.{last.minor + 1}{without}{_without_early(manifest)}",
        "Description-Content-Type: text/markdown",
        # The revision of the core and no other: without the local part, upstream's own wheel would do.
        f"Requires-Dist: {manifest.core.name}=={release.patched}",
    ]
    added = extras(manifest, constraints)
    lines += [f"Provides-Extra: {spelling}" for extra in added for spelling in _spellings(extra)]
    lines += [f"Requires-Dist: {line}" for line in _requirements(constraints, added)]
    description = _DESCRIPTION.format(version=release.upstream, patched=release.patched, pythons=pythons)
    return "\n".join(lines) + f"\n\n{description}"


def extras(
    manifest: Manifest, constraints: Sequence[Constraints]
) -> dict[str, dict[Python, frozenset[NormalizedName]]]:
    """What each extra adds to the core's closure, by Python, with the `default` extra among them."""
    # What the core needs is required in any case.
    named = {extra: {c.python: c.extras[extra] - c.core for c in constraints} for extra in manifest.extras}
    named[DEFAULT_EXTRA] = {
        c.python: frozenset(name for extra in manifest.default_extras for name in c.extras[extra] - c.core)
        for c in constraints
    }
    return dict(sorted(named.items()))


def _spellings(extra: str) -> tuple[str, ...]:
    """The extra as upstream writes it and as PEP 685 does: pips before 23.3 take a name only letter for letter."""
    return tuple(dict.fromkeys((extra, canonicalize_name(extra))))


def _requirements(
    constraints: Sequence[Constraints], added: Mapping[str, Mapping[Python, frozenset[NormalizedName]]]
) -> list[str]:
    """The pins as `name==version` lines, each marked with the Pythons that it is for and all extras that ask for it.

    pip reads every line and evaluates its marker for every extra, so a pin that many extras ask for stands in one line.
    """
    # Pin -> Python -> the extras that ask for it there; None for what is required in any case.
    asking: dict[tuple[NormalizedName, str], dict[Python, frozenset[str] | None]] = {}
    for c in constraints:
        for name in c.core:
            asking.setdefault((name, str(c.pins[name].version)), {})[c.python] = None
        by_name: dict[NormalizedName, frozenset[str]] = {}
        for extra, names in added.items():
            for name in names[c.python]:
                by_name[name] = by_name.get(name, frozenset()).union(_spellings(extra))
        for name, spellings in by_name.items():
            asking.setdefault((name, str(c.pins[name].version)), {})[c.python] = spellings
    lines = []
    for (name, version), by_python in sorted(asking.items()):
        # Pythons where the same extras ask for it share a line.
        alike: dict[frozenset[str] | None, list[Python]] = {}
        for python, asked_by in by_python.items():
            alike.setdefault(asked_by, []).append(python)
        for asked_by, pythons in alike.items():
            # For all Pythons no marker is needed: Requires-Python keeps the others out.
            here = [] if len(pythons) == len(constraints) else [f'python_version == "{python}"' for python in pythons]
            asked = [f'extra == "{extra}"' for extra in sorted(asked_by or ())]
            marker = " and ".join(_any_of(words) for words in (here, asked) if words)
            lines.append(f"{name}=={version}" + (f" ; {marker}" if marker else ""))
    return lines


def _any_of(words: Sequence[str]) -> str:
    """In a marker `and` binds closer than `or` (PEP 508)."""
    return f"({' or '.join(words)})" if len(words) > 1 else words[0]
