"""What each revision of a release was made of: patches/X.Y.Z/revisions.json <-> records. Touches that file only.

A revision that was recorded is what the changelog of the next one compares with, and what publishing is held to.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from packaging.utils import NormalizedName

from astronomer_certified.artifacts import Distribution, Manifest
from astronomer_certified.effects.disk import sha256_of, write_atomic
from astronomer_certified.errors import ManifestError, PublishError
from astronomer_certified.patches.series import CVE, Patch

HOW_TO_EXPLAIN = (
    'put the fix back, or say in release.toml why it is gone: a line CVE-... = "why" under [no-longer-fixed]'
)

_FIRST_FILE = re.compile(rb"^(?:diff --git |--- \S)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One revision: its patches with their sha256, overrides with their reasons, and the patches of its repairs.

    `changes` has the sha256 of what each patch changes, without its header; `fixes` says by which patch or override
    each vulnerability is fixed. Records of before these were kept have neither.
    """

    number: int
    date: str
    patches: Mapping[str, str]
    overrides: Mapping[str, str]
    repairs: Mapping[str, Mapping[str, str]]
    changes: Mapping[str, str] = field(default_factory=dict)
    fixes: Mapping[str, str] = field(default_factory=dict)

    def same_as(self, other: Revision) -> bool:
        """Whether both are made of the same things in the same order: one patch may build upon another."""

        def made_of(item: Revision) -> object:
            repairs = {title: list(patches.items()) for title, patches in item.repairs.items()}
            # Of overrides without their reasons: those may be put into other words.
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
        overrides={str(entry): entry.reason for entry in manifest.overrides},
        repairs={f"{item.name}=={item.release.patched}": digests(item) for item in manifest.repairs},
        changes={patch.name: _change(manifest.core.folder / patch.name) for patch in patches[manifest.core.name]},
        fixes=_fixes(manifest, patches),
    )


def _change(path: Path) -> str:
    """sha256 of a patch from its first file on: a header may be put into other words."""
    content = path.read_bytes()
    found = _FIRST_FILE.search(content)
    return hashlib.sha256(content[found.start() if found else 0 :]).hexdigest()


def _fixes(manifest: Manifest, patches: Mapping[NormalizedName, Sequence[Patch]]) -> dict[str, str]:
    found = {cve: str(entry) for entry in manifest.overrides for cve in CVE.findall(entry.reason)}
    found |= {
        cve: patch.slug for item in manifest.distributions for patch in patches[item.name] for cve in patch.cves
    }  # fmt: skip
    return dict(sorted(found.items()))


def lost(manifest: Manifest, now: Revision) -> dict[str, str]:
    """The vulnerabilities that a recorded revision fixed, by what, and this one does not: whatever the reason."""
    before = {cve: fix for item in read(path_of(manifest)) for cve, fix in item.fixes.items()}
    return {cve: fix for cve, fix in before.items() if cve not in now.fixes}


def unexplained(manifest: Manifest, now: Revision) -> list[str]:
    """What is wrong with fixes that left a release: each must be missed on purpose, in `[no-longer-fixed]`."""
    gone, said = lost(manifest, now), manifest.no_longer_fixed
    problems = [
        f"{cve} was fixed by {fix}, which left the release without a word"
        for cve, fix in gone.items()
        if cve not in said
    ]
    return problems + [
        f"{cve} stands under [no-longer-fixed]," + (f" but {now.fixes[cve]} fixes it" if cve in now.fixes else
                                                    " but no revision that is recorded fixed it")
        for cve in said if cve not in gone
    ]  # fmt: skip


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
    # The day of a revision is not compared.
    known, now = recorded.get(release.revision), present(manifest, patches, "")
    # A release of which nothing was ever recorded is held to nothing.
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
    # What else `same_as` compares is above.
    return sorted(found) or ["the order of the patches"]
