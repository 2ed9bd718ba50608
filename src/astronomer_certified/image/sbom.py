"""An image and its wheels -> its bill of materials: what is in it, and what the release says of known vulnerabilities.

CycloneDX 1.6 as JSON, as scanners and auditors read it: every wheel with its sha256, the patches that the core carries
(its pedigree), CPython and the packages of Debian where the base was made here, and each known vulnerability of Airflow
with the status that the release gives it (what is called VEX). The same image has the same bytes.
"""

from __future__ import annotations

import email.parser
import json
import tarfile
import uuid
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from email.message import Message
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType, Patch, PatchClassification, Pedigree
from cyclonedx.model.impact_analysis import ImpactAnalysisState
from cyclonedx.model.issue import IssueClassification, IssueType
from cyclonedx.model.license import License
from cyclonedx.model.vulnerability import (
    BomTarget,
    Vulnerability,
    VulnerabilityAnalysis,
    VulnerabilityRating,
    VulnerabilityScoreSource,
)
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from astronomer_certified.artifacts import Wheel
from astronomer_certified.errors import BuildError
from astronomer_certified.formats import wheel_files

from .context import REPOSITORY, Image, OwnBase

_CERTIFIED = "astronomer-certified"
_CORE = "apache-airflow"

# The words of release.json, as those of CycloneDX. An upstream that mended it before the version has mended it.
_STATES = {
    "fixed": ImpactAnalysisState.RESOLVED_WITH_PEDIGREE,
    "in upstream": ImpactAnalysisState.RESOLVED,
    "not affected": ImpactAnalysisState.NOT_AFFECTED,
    "affected": ImpactAnalysisState.EXPLOITABLE,
    "unknown": ImpactAnalysisState.IN_TRIAGE,
}

# Of serial numbers.
_NAMESPACE = uuid.UUID("8c9e4f0a-6d0b-5b0e-9a43-6a4c0f3f6f2d")
_LONGEST_LICENSE = 100


def bill(image: Image, wheels: Sequence[Wheel]) -> bytes:
    """The bill of materials, UTF-8, with a newline at its end. BuildError when the certified wheel or the core is not
    among the wheels."""
    metadata = {wheel: _metadata(wheel) for wheel in wheels}
    components = {canonicalize_name(said["Name"]): _of_wheel(wheel, said) for wheel, said in metadata.items()}
    if missing := {_CERTIFIED, _CORE} - components.keys():
        raise BuildError(f"an image without {' and '.join(sorted(missing))} has no bill of materials")
    release = _release(next(wheel for wheel, said in metadata.items() if canonicalize_name(said["Name"]) == _CERTIFIED))
    core = components[canonicalize_name(_CORE)]
    core.pedigree = _pedigree(image, release)
    repository, _, tag = image.names()[0].rpartition(":")
    whole = Component(
        name=repository, version=tag, type=ComponentType.CONTAINER, bom_ref="image", properties=_unknown(image)
    )
    system = list(_of_base(image))
    bom = Bom(
        components=[*components.values(), *system],
        vulnerabilities=[_vulnerability(item, core) for item in release["vulnerabilities"]],
        metadata=BomMetaData(component=whole, timestamp=datetime.fromtimestamp(image.epoch, UTC)),
        serial_number=_serial(image, wheels, system),
    )
    bom.register_dependency(whole, [components[canonicalize_name(_CERTIFIED)], *system])
    for name, said in zip(components, metadata.values(), strict=True):
        wanted = {canonicalize_name(item) for item in _requirements(said, image)}
        bom.register_dependency(components[name], [components[item] for item in sorted(wanted & components.keys())])
    text = JsonV1Dot6(bom).output_as_string(indent=1)
    return f"{text}\n".encode()


def _serial(image: Image, wheels: Sequence[Wheel], system: Sequence[Component]) -> uuid.UUID:
    """The same for the same bill, whenever it is made; another for another base, too."""
    content = [
        image.names()[0].removeprefix(f"{REPOSITORY}:"),
        *sorted(wheel.sha256 for wheel in wheels),
        *sorted(str(item.purl) for item in system),
    ]
    return uuid.uuid5(_NAMESPACE, " ".join(content))


def _metadata(wheel: Wheel) -> Message:
    # Of two hundred wheels only this file is unpacked; each was checked by its sha256.
    with zipfile.ZipFile(wheel.path) as archive:
        [name] = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith(".dist-info/METADATA")]
        said = archive.read(name)
    return email.parser.Parser().parsestr(said.decode(errors="replace"), headersonly=True)


def _release(certified: Wheel) -> dict[str, Any]:
    """What the certified wheel says of the release: its release.json."""
    members = wheel_files.read(certified.path)
    [name] = [name for name in members if name.endswith("/release.json")]
    said: dict[str, Any] = json.loads(members[name].content)
    return said


def _of_wheel(wheel: Wheel, said: Message) -> Component:
    name, version, _, _ = parse_wheel_filename(wheel.filename)
    return Component(
        name=str(name),
        version=str(version),
        type=ComponentType.LIBRARY,
        bom_ref=f"{name}=={version}",
        description=said.get("Summary"),
        purl=PackageURL("pypi", None, str(name), str(version)),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=wheel.sha256)],
        licenses=list(_licenses(said)),
        properties=[Property(name="file", value=wheel.filename)],
    )


def _licenses(said: Message) -> Iterator[License]:
    """As the metadata states it: an expression (PEP 639), else the classifiers, else what stands under License."""
    factory = LicenseFactory()
    if expression := said.get("License-Expression"):
        yield factory.make_from_string(expression, license_text=None)
        return
    classifiers = [text for text in said.get_all("Classifier", []) if text.startswith("License :: ")]
    names = {text.rpartition(" :: ")[2] for text in classifiers} - {"OSI Approved"}
    stated = " ".join(str(said.get("License") or "").split())
    if not names and stated and stated.upper() != "UNKNOWN" and len(stated) <= _LONGEST_LICENSE:
        names = {stated}
    yield from (factory.make_with_name(name) for name in sorted(names))


def _requirements(said: Message, image: Image) -> Iterator[str]:
    """The names that a wheel asks for on the image's Python; the certified wheel with what images install of it."""
    extras = ("", *image.extras) if canonicalize_name(said["Name"]) == _CERTIFIED else ("",)
    here = {"python_version": str(image.python), "python_full_version": f"{image.python}.0"}
    here |= {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    for line in said.get_all("Requires-Dist", []):
        with suppress(InvalidRequirement):
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({**here, "extra": extra}) for extra in extras):
                yield requirement.name


def _pedigree(image: Image, release: dict[str, Any]) -> Pedigree:
    """Upstream's Airflow, and what was done to it."""
    upstream = str(image.release.upstream)
    ancestor = Component(
        name=_CORE,
        version=upstream,
        type=ComponentType.LIBRARY,
        bom_ref=f"{_CORE}=={upstream}",
        purl=PackageURL("pypi", None, _CORE, upstream),
    )
    patches = []
    for item in release["patches"]:
        if item["distribution"] == _CORE:
            fixes = [IssueType(type=IssueClassification.SECURITY, id=id, name=item["subject"]) for id in item["fixes"]]
            defect = [IssueType(type=IssueClassification.DEFECT, id=item["name"], name=item["subject"])]
            patches.append(Patch(type=PatchClassification.BACKPORT, resolves=fixes or defect))
    return Pedigree(ancestors=[ancestor], patches=patches)


def _vulnerability(item: dict[str, Any], core: Component) -> Vulnerability:
    why = "; ".join([item["reason"], *item["evidence"]]) if item["reason"] else "; ".join(item["evidence"])
    ratings = []
    if item["severity"] is not None:
        ratings = [VulnerabilityRating(score=Decimal(str(item["severity"])), method=VulnerabilityScoreSource.CVSS_V3_1)]
    return Vulnerability(
        id=item["id"],
        bom_ref=item["id"],
        description=item["summary"],
        ratings=ratings,
        analysis=VulnerabilityAnalysis(state=_STATES[item["status"]], detail=why or None),
        affects=[BomTarget(ref=str(core.bom_ref))],
    )


def _unknown(image: Image) -> list[Property]:
    """What the bill cannot say, said."""
    words = ["astronomer-certified:vulnerabilities", "of Airflow; those of what it needs: certified audit"]
    properties = [Property(name=words[0], value=words[1])]
    if isinstance(image.base, str):
        value = f"{image.base}, whose packages are not listed here"
        properties.append(Property(name="astronomer-certified:base", value=value))
    return properties


def _of_base(image: Image) -> Iterator[Component]:
    if not isinstance(image.base, OwnBase):
        return
    yield Component(
        name="cpython",
        version=image.base.full_version,
        type=ComponentType.PLATFORM,
        bom_ref=f"cpython@{image.base.full_version}",
        purl=PackageURL("generic", None, "cpython", image.base.full_version),
    )
    for said in _installed(image.base.system):
        name, version, machine = said["Package"], said["Version"], said["Architecture"]
        where = {"arch": machine, "distro": f"debian-{image.suite.number}"}
        yield Component(
            name=name,
            version=version,
            type=ComponentType.LIBRARY,
            bom_ref=f"deb:{name}:{machine}",
            description=(said["Description"] or "").partition("\n")[0] or None,
            purl=PackageURL("deb", "debian", name, version, where),
        )


def _installed(system: Path) -> Iterator[Message]:
    """The packages that dpkg(1) calls installed in the files of a Debian system. BuildError where it says nothing."""
    with tarfile.open(system) as archive:
        member = next((item for item in archive if item.name.lstrip("./") == "var/lib/dpkg/status"), None)
        stream = archive.extractfile(member) if member is not None else None
        if stream is None:
            raise BuildError(f"{system} is no Debian: it has no var/lib/dpkg/status", hint="delete it; it is made anew")
        text = stream.read().decode()
    for paragraph in text.strip().split("\n\n"):
        said = email.parser.Parser().parsestr(paragraph, headersonly=True)
        if said["Status"] == "install ok installed":
            yield said
