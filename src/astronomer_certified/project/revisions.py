"""What each revision of a release was made of: patches/X.Y.Z/revisions.json <-> records. Touches that file only.

A revision that was recorded is what the changelog of the next one compares with, and what publishing is held to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import NormalizedName

from astronomer_certified.artifacts import Distribution, Manifest
from astronomer_certified.effects.disk import sha256_of, write_atomic
from astronomer_certified.errors import ManifestError, PublishError

if TYPE_CHECKING:
    from astronomer_certified.patches.series import Patch


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One revision: its patches with their sha256, overrides with their reasons, and the patches of its repairs."""

    number: int
    date: str
    patches: Mapping[str, str]
    overrides: Mapping[str, str]
    repairs: Mapping[str, Mapping[str, str]]

    def same_as(self, other: Revision) -> bool:
        """Whether both are made of the same things in the same order: one patch may build upon another."""

        def made_of(item: Revision) -> object:
            repairs = {title: list(patches.items()) for title, patches in item.repairs.items()}
            return list(item.patches.items()), set(item.overrides), repairs

        return made_of(self) == made_of(other)


def path_of(manifest: Manifest) -> Path:
    """Where the revisions of a release are recorded."""
    return manifest.path.with_name("revisions.json")


def present(manifest: Manifest, patches: Mapping[NormalizedName, Sequence[Patch]], date: str) -> Revision:
    """The revision that the manifest states, as it is now."""

    def digests(item: Distribution) -> dict[str, str]:
        return {patch.name: sha256_of(item.folder / patch.name) for patch in patches[item.name]}

    return Revision(
        number=manifest.release.revision,
        date=date,
        patches=digests(manifest.core),
        overrides={str(entry.requirement): entry.reason for entry in manifest.overrides},
        repairs={f"{item.name}=={item.release.patched}": digests(item) for item in manifest.repairs},
    )


def read(path: Path) -> tuple[Revision, ...]:
    """The recorded revisions, oldest first; none without a file. Raises `ManifestError` for what is no record."""
    if not path.is_file():
        return ()
    try:
        return tuple(Revision(**item) for item in json.loads(path.read_bytes()))
    except (ValueError, TypeError) as err:
        raise ManifestError(
            f"{path}: not a record of revisions", details=[str(err)], hint="it is part of the project: git checkout it"
        ) from err


def write(path: Path, revisions: Sequence[Revision]) -> None:
    """The file records these."""
    write_atomic(path, (json.dumps([asdict(item) for item in revisions], indent=1) + "\n").encode())


def check(manifest: Manifest, patches: Mapping[NormalizedName, Sequence[Patch]]) -> None:
    """Raises `PublishError` when the release is not made of what its revision was recorded with."""
    recorded = {item.number: item for item in read(path_of(manifest))}
    release = manifest.release
    known, now = recorded.get(release.revision), present(manifest, patches, "")
    if not recorded or (known is not None and known.same_as(now)):
        return
    version = release.upstream
    if known is None:
        raise PublishError(
            f"{release.tag} is not recorded in {path_of(manifest)}",
            hint=f"certified bump {version} raises the revision and records it; certified changelog {version} --write"
            " records the one that is stated",
        )
    raise PublishError(
        f"{release.tag} is not made of what it was recorded with",
        details=_differences(known, now),
        hint=f"raise the revision: certified bump {version} (or, if {release.tag} was never published:"
        f" certified changelog {version} --write)",
    )


def _differences(known: Revision, now: Revision) -> list[str]:
    found = []
    for title, before, after in (
        ("patch", known.patches, now.patches),
        ("override", known.overrides, now.overrides),
        ("repair", known.repairs, now.repairs),
    ):
        found += [f"{title} {name}: new" for name in after.keys() - before.keys()]
        found += [f"{title} {name}: gone" for name in before.keys() - after.keys()]
        if title != "override":
            found += [
                f"{title} {name}: changed" for name in after.keys() & before.keys() if after[name] != before[name]
            ]
    return sorted(found) or ["the order of the patches"]
