"""Series + recorded revisions -> the page that tells operators what they must look at when they upgrade. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packaging.utils import NormalizedName

from astronomer_certified.artifacts import Manifest
from astronomer_certified.patches import series
from astronomer_certified.patches.series import Patch
from astronomer_certified.project.revisions import Revision

_INTRO = """\
# Upgrading: what operators must look at

What changes for those who run an Airflow when they go from one revision of a release to the next, or from upstream's to
the first. Made from the notices of the patches, and a test compares. Make it anew:

    certified releases --notices > docs/upgrading.md

Every change is in the changelog of the release, `patches/X.Y.Z/CHANGELOG.md`; here stand those that ask for something.
No revision changes the schema of the database: going back is installing the revision before.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A release, the patches of each of its distributions, and the revisions that are recorded of it, oldest first."""

    manifest: Manifest
    patches: Mapping[NormalizedName, Sequence[Patch]]
    revisions: Sequence[Revision]


def page(entries: Sequence[Entry]) -> str:
    """The page in Markdown, the newest release first."""
    return "\n".join([_INTRO, *(_section(entry) for entry in reversed(entries))])


def _section(entry: Entry) -> str:
    lines = [f"## {entry.manifest.release.upstream}", ""]
    told = {number: list[str]() for number in range(entry.manifest.release.revision, 0, -1)}
    for patches in entry.patches.values():
        for patch in patches:
            if patch.notice:
                told[_since(patch, entry)].append(_line(patch))
    for number, found in told.items():
        release = entry.manifest.release
        before = f"{release.upstream}-{number - 1}" if number > 1 else f"upstream's {release.upstream}"
        lines += [f"### To {release.upstream}-{number}, from {before}", "", *(found or ["Nothing."]), ""]
    return "\n".join(lines)


def _since(patch: Patch, entry: Entry) -> int:
    """The revision that brought a patch; one that no revision is recorded with comes with the next, which is stated."""
    for revision in entry.revisions:
        names = (*revision.patches, *(name for patches in revision.repairs.values() for name in patches))
        if patch.slug in map(series.slug_of, names):
            return revision.number
    return entry.manifest.release.revision


def _line(patch: Patch) -> str:
    cves = f" ({', '.join(patch.cves)})" if patch.cves else ""
    return f"- **{patch.subject}**{cves}: {patch.notice}{'' if patch.notice.endswith('.') else '.'}"
