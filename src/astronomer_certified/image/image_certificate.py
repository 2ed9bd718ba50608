"""The report of a run of tests of an image -> what was verified of it: one typed record, and its JSON.

A record is kept as certificates/image-TAG-SUITE.json, for example image-2.1.0-2-bookworm.json. The report is the JUnit
XML of pytest; what is no verdict (digests, sizes, versions) the tests record as properties of their suite.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from astronomer_certified.artifacts import Release
from astronomer_certified.errors import CommandFailed
from astronomer_certified.formats.json_records import Form
from astronomer_certified.workspace import Workspace

# Readers refuse every other number: raise it with each change of these records.
FORMAT = 1
_MISSING = "what is missing is brought by: make system-packages"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCheck:
    """What held of an image, in words, and the seconds that it took to try it."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageNotDone:
    """What could not be tried of an image where it was certified, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCertificate:
    """What was verified of an image of a release.

    `release` is its AC tag, `suite` the Debian release inside, `python` the full version of the CPython inside.
    `wheels` are the sha256 of the core and the certified wheel that are installed in it, by project. `digest` and
    `onbuild_digest` are those of the manifests that a registry took; `size` is in bytes, unpacked, `sent` those of
    the layers as the registry has them. `tools` made and ran it, with their versions.
    """

    # A reader must not pass over what it does not know.
    __pydantic_config__: ClassVar = {"extra": "forbid"}

    format: int
    release: str
    suite: str
    python: str
    wheels: Mapping[str, str]
    digest: str
    onbuild_digest: str
    size: int
    sent: int
    tools: tuple[str, ...]
    checks: tuple[ImageCheck, ...]
    not_done: tuple[ImageNotDone, ...]


_FORM = Form(
    record=ImageCertificate, number=FORMAT, called="a certificate of an image",
    again="certify the image again: make image-certify VERSION=X.Y.Z",
)  # fmt: skip


def of_report(release: Release, suite: str, report: str) -> ImageCertificate:
    """The record that a report makes, which is all of its tests. Raises `CommandFailed` when not all of them held.

    It is raised, too, when a property is not in the report: the test that knows it was not run.
    """
    root = ET.fromstring(report)  # noqa: S314  our own pytest wrote it just now
    known = {item.attrib["name"]: item.attrib["value"] for item in root.iter("property")}
    checks, not_done, failed = [], [], []
    for case in root.iter("testcase"):
        name = case.attrib["name"].removeprefix("test_").replace("_", " ")
        if (skipped := case.find("skipped")) is not None:
            not_done.append(ImageNotDone(name=name, why=skipped.attrib.get("message", "")))
        elif case.find("failure") is not None or case.find("error") is not None:
            failed.append(name)
        else:
            checks.append(ImageCheck(name=name, seconds=round(float(case.attrib["time"]), 1)))
    if failed:
        raise CommandFailed(
            f"the image of {release.tag} is not certified: {len(failed)} of its tests do not hold",
            details=failed,
            hint="what they said stands above",
        )
    if not checks:
        raise CommandFailed(
            f"the image of {release.tag} is not certified: none of its tests was run",
            details=[f"{item.name}: {item.why}" for item in not_done],
            hint=_MISSING,
        )
    try:
        return ImageCertificate(
            format=FORMAT, release=release.tag, suite=suite, python=known["python"], wheels=_named(known, "wheel "),
            digest=known["digest"], onbuild_digest=known["onbuild digest"], size=int(known["size"]),
            sent=int(known["sent"]), tools=tuple(f"{name} {at}" for name, at in _named(known, "tool ").items()),
            checks=tuple(checks), not_done=tuple(not_done),
        )  # fmt: skip
    except KeyError as err:
        raise CommandFailed(
            f"the image of {release.tag} is not certified: no test said its {err.args[0]}",
            details=[f"{item.name}: {item.why}" for item in not_done],
            hint=_MISSING,
        ) from err


def _named(known: Mapping[str, str], kind: str) -> dict[str, str]:
    """The properties whose names begin so, by the rest of their names."""
    found = {name.removeprefix(kind): value for name, value in sorted(known.items()) if name.startswith(kind)}
    if not found:
        raise KeyError(kind.strip())
    return found


def path_of(workspace: Workspace, release: Release, suite: str) -> Path:
    """Where the project keeps the record of that image."""
    # Beside that of the release.
    return workspace.kept_certificate(release).with_name(f"image-{release.tag}-{suite}.json")


def rendered(certificate: ImageCertificate) -> str:
    """The record as the JSON text of its file."""
    return _FORM.rendered(certificate)


def read(path: Path) -> ImageCertificate:
    """The record of a file that is there. Raises `ManifestError` for what is none, and for one of another format."""
    found: ImageCertificate = _FORM.read(path)
    return found


def kept(workspace: Workspace, release: Release) -> tuple[ImageCertificate, ...]:
    """The records that the project keeps of a release's images, by suite. Raises `ManifestError`."""
    folder = workspace.kept_certificate(release).parent
    return tuple(read(path) for path in sorted(folder.glob(f"image-{release.tag}-*.json")))
