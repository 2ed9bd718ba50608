"""Two revisions of a release -> what changed, as people read it; and the step from one revision to the next.

Writes patches/X.Y.Z/CHANGELOG.md, revisions.json and, last, the revision in release.toml. What people wrote stays.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from astronomer_certified.artifacts import Distribution, Manifest, Release
from astronomer_certified.effects.disk import write_atomic
from astronomer_certified.errors import ManifestError, PublishError
from astronomer_certified.patches import series
from astronomer_certified.patches.series import Patch
from astronomer_certified.project import manifest, revisions
from astronomer_certified.project.revisions import Revision
from astronomer_certified.workspace import Workspace

from . import messages

SECTIONS = ("Security", "Bug fixes", "Improvements")
_CATEGORIES = {"security": "Security", "bug fix": "Bug fixes", "improvement": "Improvements"}
_REVISION = re.compile(r"^(revision\s*=\s*)(\d+)", re.MULTILINE)
# Where the words of a patch's subject end in an entry.
_HEAD_END = re.compile(r" \((?:CVE|AC)-|; revised|\. ")

# What is written behind the subject of a patch that has no notice.
_GENERATED = re.compile(r"( \((?:CVE|AC)-[^()]*\))?(; revised)?")

Entries = dict[str, list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A release as it is stated now, with its patches and what is recorded of its revisions."""

    manifest: Manifest
    patches: Mapping[NormalizedName, tuple[Patch, ...]]
    recorded: tuple[Revision, ...]

    @property
    def now(self) -> Revision:
        """The revision as it is now, dated today."""
        return revisions.present(self.manifest, self.patches, f"{datetime.now(UTC):%Y-%m-%d}")

    def before(self, number: int) -> Revision | None:
        """The last recorded revision below a number."""
        return max((item for item in self.recorded if item.number < number), key=lambda r: r.number, default=None)

    @property
    def changelog(self) -> Path:
        """Where the changes of its revisions are told."""
        return self.manifest.path.with_name("CHANGELOG.md")


def load(workspace: Workspace, version: Version) -> Stated:
    """The release that patches/VERSION states. Raises `ManifestError` or `SeriesError`."""
    stated = manifest.load(workspace, version)
    return Stated(
        manifest=stated,
        patches={item.name: series.read(item.folder) for item in stated.distributions},
        recorded=revisions.read(revisions.path_of(stated)),
    )


def section(stated: Stated) -> str:
    """What changed since the revision before, in the form of the changelog."""
    now = stated.now
    return _text(stated.manifest.release, now.date, _entries(stated, stated.before(now.number), now))


def write(workspace: Workspace, version: Version) -> Path:
    """The changelog, now at this path, and the record say what the stated revision is made of.

    Raises `PublishError` for one that was published and recorded with something else.
    """
    stated = load(workspace, version)
    now, release = stated.now, stated.manifest.release
    known = next((item for item in stated.recorded if item.number == now.number), None)
    published = list(workspace.store.glob(f"apache_airflow-{release.patched}-*.whl"))
    if known is not None and published and not known.same_as(now):
        raise PublishError(
            f"{release.tag} is on the index, so its record does not change",
            details=[path.name for path in published],
            hint=f"certified bump {version}",
        )
    # It stays of the day on which it was first recorded.
    now = replace(now, date=known.date) if known is not None else now
    return _record(stated, release, now, stated.before(now.number))


def bump(workspace: Workspace, version: Version, *, force: bool = False) -> Release:
    """The next revision of a release is stated, recorded and told of in its changelog.

    Raises `ManifestError` when nothing changed since the present one, unless `force`, or when that is not recorded.
    """
    stated = load(workspace, version)
    now, release = stated.now, stated.manifest.release
    known = next((item for item in stated.recorded if item.number == now.number), None)
    if known is None:
        raise ManifestError(
            f"{release.tag} is not recorded, so nobody can say what is new in the next one",
            hint=f"certified changelog {version} --write records it as it is now",
        )
    if known.same_as(now) and not force:
        raise ManifestError(
            f"nothing changed since {release.tag}: neither series, overrides nor repairs",
            hint="--force raises the revision nevertheless (for new pins, say)",
        )
    following = Release(release.upstream, release.revision + 1)
    raised = _raised(stated.manifest.path, release.revision)
    # The manifest last: after a kill in between, the present revision is still the one that is stated.
    _record(stated, following, replace(now, number=following.revision), known)
    write_atomic(stated.manifest.path, raised)
    return following


def _raised(path: Path, revision: int) -> bytes:
    """The manifest's text with the next revision, and nothing else changed."""
    text = path.read_text(encoding="utf-8")
    # In the text, as whoever writes TOML anew loses what people wrote beside it.
    raised, count = _REVISION.subn(lambda found: f"{found[1]}{revision + 1}", text, count=1)
    # The first line of this form may stand in another table: then something else would be raised.
    if count != 1 or tomllib.loads(raised) != {**tomllib.loads(text), "revision": revision + 1}:
        raise ManifestError(f"{path}: cannot find the line 'revision = {revision}'", hint="raise it by hand")
    return raised.encode()


def _record(stated: Stated, release: Release, now: Revision, before: Revision | None) -> Path:
    entries = _entries(stated, before, now)
    old = stated.changelog.read_text(encoding="utf-8") if stated.changelog.is_file() else ""
    known = next((item for item in stated.recorded if item.number == now.number), None)
    write_atomic(stated.changelog, _merged(old, release, now.date, entries, known).encode())
    kept = [item for item in stated.recorded if item.number != now.number]
    revisions.write(revisions.path_of(stated.manifest), sorted([*kept, now], key=lambda item: item.number))
    return stated.changelog


# --- what changed


def _entries(stated: Stated, before: Revision | None, now: Revision) -> Entries:
    entries: Entries = {name: [] for name in SECTIONS}
    old = before.patches if before else {}
    renamed = _renamed(before, now)
    for name, entry in _of_patches(stated.patches[stated.manifest.core.name], old, now.patches, renamed):
        entries[name].append(entry)
    for cve, fix in (before.fixes if before else {}).items():
        if cve not in now.fixes:
            why = stated.manifest.no_longer_fixed.get(cve)
            entries["Security"].append(f"No longer fixed: {cve} ({_words(fix)})" + (f": {why}" if why else ""))
    known = before.overrides if before else {}
    for requirement, reason in now.overrides.items():
        if requirement not in known:
            section = "Security" if series.CVE.search(reason) else "Improvements"
            entries[section].append(_of_override(requirement, reason))
    # Another version of the same is an entry of its own, above.
    still = {_project_of(item) for item in now.overrides}
    entries["Improvements"] += [f"{item.replace('==', ' ')} is not overridden any more" for item in known
                                if item not in now.overrides and _project_of(item) not in still]  # fmt: skip
    for item in stated.manifest.repairs:
        for name, entry in _of_repair(item, stated.patches[item.name], before, now):
            entries[name].append(entry)
    return entries


def _renamed(before: Revision | None, now: Revision) -> dict[str, str]:
    """Patches whose subject was put into other words, by their slug now: what they change is the same as before."""
    old = {digest: series.slug_of(name) for name, digest in (before.changes if before else {}).items()}
    found = {series.slug_of(name): old[digest] for name, digest in now.changes.items() if digest in old}
    return {slug: was for slug, was in found.items() if was != slug and was not in found}


def _words(fix: str) -> str:
    """A slug, or the requirement of an override, as it is told."""
    return fix.replace("==", " ") if "==" in fix else fix.replace("-", " ")


def _of_patches(
    patches: tuple[Patch, ...], old: Mapping[str, str], new: Mapping[str, str], renamed: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    slugs = {series.slug_of(name): digest for name, digest in old.items()}
    for patch in patches:
        if slugs.get(patch.slug) == new[patch.name]:
            continue
        if patch.slug in renamed:
            yield "Improvements", f"{patch.subject}: the patch that was called '{_words(renamed[patch.slug])}'"
            continue
        cves = f" ({', '.join(patch.cves)})" if patch.cves else ""
        again = "; revised" if patch.slug in slugs else ""
        yield _section_of(patch), f"{patch.subject}{cves}{again}{f'. {patch.notice}' if patch.notice else ''}"
    present = {patch.slug for patch in patches}
    for slug in slugs:
        if slug not in present and slug not in renamed.values():
            yield "Improvements", f"Not carried any more: {_words(slug)}"


def _project_of(override: str) -> NormalizedName:
    return canonicalize_name(override.partition("==")[0])


def _of_override(requirement: str, reason: str) -> str:
    return f"{requirement.replace('==', ' ')}: {reason}"


def _section_of(patch: Patch) -> str:
    if "Category" in patch.fields:
        return _CATEGORIES.get(patch.fields["Category"].strip().lower(), "Improvements")
    return "Security" if patch.cves else "Bug fixes"


def _of_repair(
    item: Distribution, patches: tuple[Patch, ...], before: Revision | None, now: Revision
) -> Iterator[tuple[str, str]]:
    """What is new in a repair, whose own revision may be another one than before."""
    stem = f"{item.name}=={item.release.upstream}+"
    was = before.repairs if before is not None else {}
    old = next((made for title, made in was.items() if title.startswith(stem)), {})
    for section, entry in _of_patches(patches, old, now.repairs[f"{item.name}=={item.release.patched}"], {}):
        yield section, f"{item.name} {item.release.patched}: {entry}"


# --- as text


def _text(release: Release, date: str, entries: Entries) -> str:
    lines = [f"## Astronomer Certified {release.tag}, {date}"]
    for name in SECTIONS:
        if entries[name]:
            lines += ["", name, "", *(f"- {entry}" for entry in entries[name])]
    if not any(entries.values()):
        lines += ["", "No change of series, overrides or repairs."]
    return "\n".join(lines) + "\n"


def _merged(old: str, release: Release, date: str, entries: Entries, known: Revision | None) -> str:
    """The changelog with a section for the release. One that is there keeps its words and gets what it lacks.

    What was written into it of patches that are gone since, goes. Raises `ManifestError` where people added to that.
    """
    title = f"# Astronomer Certified of Apache Airflow {release.upstream}\n"
    body = old.removeprefix(title).lstrip("\n")
    found = re.search(rf"^## Astronomer Certified {re.escape(release.tag)},.*?(?=^## |\Z)", body, re.M | re.S)
    if found is None:
        return f"{title}\n{_text(release, date, entries)}\n{body}".rstrip("\n") + "\n"
    kept = _without_stale(found[0], known, [entry for items in entries.values() for entry in items])
    told = _told(kept)
    lacking = {
        name: [entry for entry in items if not any(_tells_of(line, entry) for line in told)]
        for name, items in entries.items()
    }
    for name in SECTIONS:
        if not lacking[name]:
            continue
        lines = "".join(f"- {entry}\n" for entry in lacking[name])
        if f"\n{name}\n\n" in kept:
            kept = kept.replace(f"\n{name}\n\n", f"\n{name}\n\n{lines}", 1)
        else:
            kept = f"{kept.rstrip()}\n\n{name}\n\n{lines}\n"
    return f"{title}\n{body[: found.start()]}{kept}{body[found.end() :]}".rstrip("\n") + "\n"


def _told(section: str) -> list[str]:
    """The entries of a section, each as one line."""
    return [re.sub(r"\s*\n\s+", " ", text).strip() for text in re.findall(r"^- (.*(?:\n[ \t]+\S.*)*)", section, re.M)]


def _tells_of(line: str, entry: str) -> bool:
    """Whether a line is an entry: the same words up to the notice, and whatever people added behind them."""
    head = entry.split("; revised")[0].split(". ")[0]
    return line.startswith(head) and (len(line) == len(head) or line[len(head)] in ".,;:")


def _without_stale(section: str, known: Revision | None, entries: Sequence[str]) -> str:
    """The section without the entries of patches and overrides that were recorded in it and are not in it any more."""
    if known is None:
        return section
    slugs = {series.slug_of(name) for name in known.patches}
    overrides = {_of_override(requirement, reason) for requirement, reason in known.overrides.items()}
    stale = [
        line
        for line in _told(section)
        if (line in overrides or messages.slug(_HEAD_END.split(line)[0]) in slugs)
        and not any(_tells_of(line, entry) for entry in entries)
    ]
    if not stale:
        return section
    behind = {line: line.removeprefix(_HEAD_END.split(line)[0]) for line in stale if line not in overrides}
    if added := [line for line, words in behind.items() if not _GENERATED.fullmatch(words)]:
        raise ManifestError(
            "the changelog tells of what is not in this revision any more, in words of yours",
            details=added,
            hint="take these lines out, or put what is still true into others",
        )
    for line in stale:
        words = r"\s+".join(map(re.escape, line.split()))
        section = re.sub(rf"^- {words}\n", "", section, count=1, flags=re.MULTILINE)
    # A heading without an entry is none.
    for name in SECTIONS:
        section = re.sub(rf"\n{name}\n\n(?!- )", "", section)
    return section.rstrip("\n") + "\n\n"
