"""Built libraries -> what a wheel that holds them says of them: licence texts, and a bill of materials (PEP 770)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from .libraries import BuiltLibrary

_NAMESPACE = uuid.UUID("1f0f7c5e-8d5c-5a3c-9f0e-2f4b7b1d6a90")


def licences(libraries: Sequence[BuiltLibrary]) -> dict[str, bytes]:
    """The texts by path below .dist-info (PEP 639): licenses/LIBRARY/FILE."""
    return {
        f"licenses/{built.library.name}/{name}": text for built in libraries for name, text in built.licences.items()
    }


def bill(name: str, version: str, libraries: Sequence[BuiltLibrary], epoch: int) -> bytes:
    """CycloneDX 1.6 as JSON, UTF-8, with a newline at its end: each library with its version, licence, and the archive
    that it was made of by name and sha256. The same libraries give the same bytes."""
    whole = Component(
        name=name, version=version, type=ComponentType.LIBRARY, bom_ref=f"{name}=={version}",
        purl=PackageURL("pypi", None, name, version),
    )  # fmt: skip
    components = [_component(built) for built in libraries]
    # By what is said and not by how it was made, so that the same bytes have the same number.
    facts = [
        fact for built in libraries for fact in (built.library.name, built.source.archive.sha256, *_patches(built))
    ]
    serial = uuid.uuid5(_NAMESPACE, " ".join([name, version, *facts]))
    bom = Bom(
        components=components,
        metadata=BomMetaData(component=whole, timestamp=datetime.fromtimestamp(epoch, UTC)),
        serial_number=serial,
    )
    bom.register_dependency(whole, components)
    text = JsonV1Dot6(bom).output_as_string(indent=1)
    return f"{text}\n".encode()


def _component(built: BuiltLibrary) -> Component:
    library, source = built.library, built.source
    return Component(
        name=library.name,
        version=source.version,
        type=ComponentType.LIBRARY,
        bom_ref=f"{library.name}@{source.version}",
        description=library.why,
        purl=PackageURL("generic", None, library.name, source.version),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=source.archive.sha256)],
        licenses=[LicenseFactory().make_from_string(library.licence, license_text=None)],
        properties=[
            Property(name="astronomer-certified:archive", value=source.archive.filename),
            *(Property(name="astronomer-certified:patch", value=name) for name in _patches(built)),
        ],
    )


def _patches(built: BuiltLibrary) -> tuple[str, ...]:
    return (*built.source.patches, *built.library.own_patches)
