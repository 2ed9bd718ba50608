"""The certificate of a release: one typed record, its JSON, and whether it speaks of what is here now.

docs/certificate.schema.json is the JSON schema (draft 2020-12) of the file. A reader that meets another format number
than its own must refuse the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from astronomer_certified.artifacts import Difference, Manifest, NotDone, Release
from astronomer_certified.effects.disk import sha256_of
from astronomer_certified.errors import ManifestError
from astronomer_certified.formats.json_records import Form
from astronomer_certified.workspace import Workspace

from .checks import CheckResult
from .level import Wanted
from .proofs import ProofResult

# Readers refuse every other number: raise it with each change of these records.
FORMAT = 3
# What an input is called that is a file of the payload, before its path there.
_PAYLOAD = "payload/"


@dataclass(frozen=True, slots=True, kw_only=True)
class HashedFile:
    """A file by its name and sha256 (lower-case hex)."""

    file: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeWheel:
    """A wheel by its name, sha256 and size in bytes."""

    file: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchedWheel:
    """A patched distribution's wheel: what was applied, with what it was built, and how it differs from upstream's.

    `built_with` is the full version of the Python that built it, empty for a source that nobody builds. `offsets` are
    hunks that applied at another line than their patch says, `restored` files that were taken from upstream's wheel.
    """

    distribution: str
    file: str
    sha256: str
    size: int
    built_with: str
    patches: tuple[str, ...]
    offsets: tuple[str, ...]
    restored: tuple[str, ...]
    wheel_diff: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """One certified install: what was typed, the full version of Python, pip's version, and every check that held."""

    requirement: str
    python: str
    pip: str
    checks: tuple[CheckResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallerTrial:
    """One installer, as `pip 19.3.1`, and the seconds that its installation took."""

    installer: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Installers:
    """What other installers made of the same requirement on one Python: all of them could."""

    requirement: str
    python: str
    trials: tuple[InstallerTrial, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """The proofs, run on one Python: each fails on upstream's wheel and passes on the patched one."""

    python: str
    results: tuple[ProofResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelDifference:
    """A part of a check that is seen differently of upstream, and the file name of the patch that is the reason."""

    check: str
    part: str
    upstream: str
    certified: str
    patch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelReached:
    """A release in operation on one Python, at the level `full` or `services`.

    It tells what was typed, the seconds that uv took to install it, every check that held, and what upstream in the
    same environment does otherwise.
    """

    level: str
    requirement: str
    python: str
    install_seconds: float
    checks: tuple[CheckResult, ...]
    differences: tuple[LevelDifference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What was verified of a release. `release` is its AC tag; `inputs` the sha256 of every file of the project that
    went into it, by path. `not_done` is what the machine could not do: a complete certificate has none."""

    # A reader must not pass over what it does not know.
    __pydantic_config__: ClassVar = {"extra": "forbid"}

    format: int
    release: str
    source: HashedFile
    inputs: Mapping[str, str]
    patched_wheels: tuple[PatchedWheel, ...]
    certified_wheel: MadeWheel
    wheelhouse: tuple[MadeWheel, ...]
    installs: tuple[Install, ...]
    installers: tuple[Installers, ...]
    levels: tuple[LevelReached, ...]
    proofs: Proofs | None
    not_done: tuple[NotDone, ...]

    @property
    def core(self) -> PatchedWheel:
        """The core wheel, which comes first."""
        return self.patched_wheels[0]


_FORM = Form(
    record=Certificate, number=FORMAT, called="a certificate",
    again="certify the release again: certified release VERSION",
)  # fmt: skip


def schema() -> str:
    """The JSON schema of a certificate, as text: docs/certificate.schema.json."""
    return _FORM.schema()


def rendered(certificate: Certificate) -> str:
    """The certificate as the JSON text of its file."""
    return _FORM.rendered(certificate)


def read(path: Path) -> Certificate | None:
    """The certificate of a file; None where there is none.

    Raises `ManifestError` for what is no certificate, and for one of another format.
    """
    found: Certificate | None = _FORM.read(path)
    return found


def kept(workspace: Workspace, release: Release) -> Certificate | None:
    """The certificate that the project keeps of a release; None when it keeps none. Raises `ManifestError`."""
    return _of(release, workspace.kept_certificate(release), "git checkout it")


def of_last_run(workspace: Workspace, release: Release) -> Certificate | None:
    """The certificate that the last run of a release wrote here; None where there is none. Raises `ManifestError`."""
    return _of(release, workspace.certificate(release), f"remove it, or: certified certify {release.upstream}")


def _of(release: Release, path: Path, hint: str) -> Certificate | None:
    found = read(path)
    if found is not None and found.release != release.tag:
        raise ManifestError(f"{path} is the certificate of {found.release}, and not of {release.tag}", hint=hint)
    return found


def of_payload(payload: Mapping[str, bytes]) -> dict[str, str]:
    """The inputs that the payload of the certified wheel is, from its files by their paths in it."""
    return {f"{_PAYLOAD}{name}": hashlib.sha256(content).hexdigest() for name, content in payload.items()}


def files_of(certificate: Certificate) -> dict[str, str]:
    """The inputs that are files of the project, by their paths in it."""
    return {name: sha256 for name, sha256 in certificate.inputs.items() if not name.startswith(_PAYLOAD)}


def is_current(workspace: Workspace, certificate: Certificate, payload: Mapping[str, bytes]) -> bool:
    """Whether manifest, series, patches, constraints and payload are still those that the certificate speaks of."""
    named = files_of(certificate)
    shipped = {name: sha256 for name, sha256 in certificate.inputs.items() if name not in named}
    files = {workspace.root / name: sha256 for name, sha256 in named.items()}
    # One that names no inputs vouches for none.
    return (
        bool(files)
        and shipped == of_payload(payload)
        and all(path.is_file() and sha256_of(path) == sha256 for path, sha256 in files.items())
    )


def untried(certificate: Certificate, stated: Manifest) -> tuple[str, ...]:
    """What is promised of a release and a certificate tells nothing of; empty for a whole one.

    What the machine could not do stands under `not_done` in the certificate itself, and not here once more.
    """
    undone = {item.what for item in certificate.not_done}
    found = []
    for kind, things in _promised(certificate, stated).items():
        open_ = [what for what, checks in things.items() if not checks and what not in undone]
        if open_ and all(checks is None for checks in things.values()):
            found.append(f"{kind}: none tried")
        else:
            found += [f"{what}: {'not tried' if things[what] is None else 'nothing was checked'}" for what in open_]
    return tuple(found)


def _promised(certificate: Certificate, stated: Manifest) -> Mapping[str, Mapping[str, int | None]]:
    """Of each kind of thing that is promised, by the names that it has where it was not done: how many checks of it a
    certificate tells of, and None where it was not tried."""
    installs = {(item.requirement, _minor(item.python)): len(item.checks) for item in certificate.installs}
    levels = {(item.level, _minor(item.python)): len(item.checks) for item in certificate.levels}
    installers = {_minor(item.python): len(item.trials) for item in certificate.installers}
    return {
        "installs": {
            f"install of {target}": installs.get((target.requirement(stated.release), str(target.python)))
            for target in stated.targets
        },
        "installers": {
            f"installers of {replace(stated.target, python=python)}": installers.get(str(python))
            for python in stated.pythons
        },
        "levels": {
            f"{level} on Python {python}": levels.get((level, str(python)))
            for python, highest in Wanted().levels(stated).items()
            for level in highest.above_quick
        },
        # How many there are, the series say: one that names none has none.
        "proofs": {f"proofs on Python {stated.target.python}": None if certificate.proofs is None else 1},
    }


def _minor(python: str) -> str:
    """`3.8` of `3.8.18`."""
    return python.rpartition(".")[0]
