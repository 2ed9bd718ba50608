"""Patches -> every problem of theirs, or one line that says there is none. Reads the sources from the cache."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from astronomer_certified.advisories import ledger, records
from astronomer_certified.advisories.records import Record
from astronomer_certified.artifacts import METADATA_SOURCES, Distribution
from astronomer_certified.errors import SeriesError
from astronomer_certified.patches import series
from astronomer_certified.patches.application import Overlay
from astronomer_certified.patches.diffs import FileDiff
from astronomer_certified.patches.series import Patch
from astronomer_certified.project import catalogue, manifest, revisions
from astronomer_certified.project.manifest import CORE
from astronomer_certified.workspace import Workspace

from . import evidence, messages, sources
from .repository import CommitTree

_REFERENCE = re.compile(r"\bAC-BUG-\d+\b|[\w.-]+/[\w.-]+(#\d+|@[0-9a-f]{7,})|https?://\S+|\b\d+\.\d+\.\d+\b|\bnone: \S")
_FILE_NAME = re.compile(r"\d{4}-[a-z0-9]+(-[a-z0-9]+)*\.patch")
_BLANKS = re.compile(rb"[ \t]+\r?\n?$")


@dataclass(frozen=True, slots=True)
class _Series:
    """A series with what its patches are checked against."""

    workspace: Workspace
    distribution: Distribution
    patches: tuple[Patch, ...]
    tree: CommitTree
    known: Mapping[str, Record]

    def named(self, slug: str) -> Patch | None:
        return next((patch for patch in self.patches if slug in (patch.slug, patch.name)), None)


def lint(workspace: Workspace, distributions: Sequence[Distribution]) -> str:
    """One line that says what was looked at. Raises `SeriesError` with every problem of every series."""
    problems: list[str] = []
    count = 0
    known: dict[str, Record] = {item.id: item for item in (*records.load(workspace), *ledger.load(workspace))}
    for distribution in distributions:
        title = catalogue.title(distribution)
        try:
            patches = series.read(distribution.folder)
        except SeriesError as err:
            problems += [f"{title}: {line.strip()}" for line in (err.what, *err.details)]
            continue
        count += len(patches)
        problems += [f"{title}: {problem}" for problem in _of_series(workspace, distribution, patches, known)]
    if problems:
        noun = "problem" if len(problems) == 1 else "problems"
        raise SeriesError(
            f"{len(problems)} {noun} in {count} patches",
            details=problems,
            hint="docs/patches.md says what a patch must be",
        )
    return f"{count} patches of {len(distributions)} series: nothing to complain about"


def _of_series(
    workspace: Workspace, distribution: Distribution, patches: tuple[Patch, ...], known: Mapping[str, Record]
) -> Iterator[str]:
    source = sources.imported(workspace, distribution)
    touched = {path for patch in patches for path in patch.touched}
    tree = CommitTree(source.repository, source.commit, touched)
    whole = _Series(workspace, distribution, patches, tree, known)
    slugs = [patch.slug for patch in patches]
    yield from (f"{slug}: two patches have this name" for slug in sorted(set(slugs)) if slugs.count(slug) > 1)
    for patch in patches:
        yield from (f"{patch.name}: {problem}" for problem in _of_patch(whole, patch))
    yield from _application(whole)
    if distribution.name == CORE:
        # Advisories speak of versions of Airflow.
        yield from evidence.problems(tuple(known.values()), distribution.release.upstream, source)
        yield from _lost(workspace, distribution.release.upstream)


def _lost(workspace: Workspace, version: Version) -> Iterator[str]:
    """A fix does not leave a release without a word."""
    stated = manifest.load(workspace, version)
    patches = {item.name: series.read(item.folder) for item in stated.distributions}
    for problem in revisions.unexplained(stated, revisions.present(stated, patches, "")):
        yield f"{problem}: {revisions.HOW_TO_EXPLAIN}"


def _of_patch(whole: _Series, patch: Patch) -> Iterator[str]:
    yield from _fields(whole, patch)
    yield from _undeclared(whole, patch)
    for file in patch.files:
        yield from _whitespace(file)


def _fields(whole: _Series, patch: Patch) -> Iterator[str]:
    for name in patch.fields:
        if near := messages.nearest(name):
            yield f"unknown field {name!r}, did you mean {near!r}?"
    try:
        messages.person(patch.fields, patch.name)
    except SeriesError as err:
        yield err.what
    if not _FILE_NAME.fullmatch(patch.name):
        yield f"the file should be called like 0001-{messages.slug(patch.subject)}.patch"
    # A repair has often no change upstream: what broke is that something else vanished.
    references = " ".join(patch.fields.get(name, "") for name in ("Bug", "Applied-Upstream", "Origin"))
    if whole.distribution.name == CORE and not _REFERENCE.search(references):
        yield "Bug or Applied-Upstream names no change: owner/repository#123, a version, or 'none: REASON'"
    for word in re.split(r"[,\s]+", patch.fields.get("CVE", "").strip()):
        if word and not series.CVE.fullmatch(word):
            yield f"not a CVE id: {word!r}, nor one of ours like AC-2026-01"
    yield from _known(whole, patch)
    for proof in patch.proofs:
        if not (whole.workspace.proofs / Path(proof).name).is_file():
            yield f"the proof {proof} is not in {whole.workspace.proofs.relative_to(whole.workspace.root)}"


def _known(whole: _Series, patch: Patch) -> Iterator[str]:
    """A core patch fixes what advisories/ or maintenance/ knows, in a version that it names."""
    if whole.distribution.name != CORE:
        return
    version = whole.distribution.release.upstream
    for cve in patch.cves:
        record = whole.known.get(cve)
        if record is None:
            yield f"{cve} has no record in advisories/"
        elif version not in record.versions:
            yield f"advisories/{cve}.toml does not name {version} among the affected versions"
    if not patch.cves:
        yield from unrecorded(whole.known.values(), patch, version)


def unrecorded(known: Iterable[Record], patch: Patch, version: Version) -> Iterator[str]:
    """What a patch without a vulnerability names as its bug, and no record does; or none for this version."""
    known = list(known)
    # A project that keeps no ledger is not asked for one.
    if not any(isinstance(record, ledger.Fix) for record in known):
        return
    named = patch.fields.get("Bug", "")
    found = [record for record in known if record.fixed_by(patch)]
    for word in (*records.CHANGE.findall(named), *ledger.ID.findall(named)):
        if not any(word == record.id or word in (*record.changes, *_again(record)) for record in found):
            yield f"Bug: {word} belongs to no record of maintenance/ or advisories/"
    for record in found:
        if isinstance(record, ledger.Fix) and version not in record.versions:
            yield f"maintenance/{record.id}.toml does not name {version} among the affected versions"


def _again(record: Record) -> tuple[str, ...]:
    return record.fixed_again_by if isinstance(record, ledger.Fix) else ()


def _undeclared(whole: _Series, patch: Patch) -> Iterator[str]:
    """What a reader of the description would not expect: it must name the file."""
    for file in patch.files:
        name = Path(file.path).name
        if name in patch.fields["Description"] or (file.old or "") in patch.fields["Description"].split():
            continue
        if file.new is None:
            yield f"deletes {file.path}, which its description does not name"
        elif file.old is not None and file.old != file.new:
            yield f"renames {file.old} to {file.new}, which its description does not name"
        elif file.old is not None and file.new_mode is not None:
            yield f"changes the mode of {file.path}, which its description does not name"
        elif whole.distribution.name == CORE and file.path in METADATA_SOURCES:
            yield f"changes {file.path}, which says what is required, and its description does not name it"


def _whitespace(file: FileDiff) -> Iterator[str]:
    crlf = any(line.endswith(b"\r\n") for hunk in file.hunks for line in hunk.old)
    for number, hunk in enumerate(file.hunks, start=1):
        kept = set(hunk.old)
        for line in hunk.new:
            # What stood in the file before is not this patch's to mend.
            if line in kept:
                continue
            text = line.decode("utf-8", "replace").rstrip("\n")
            # A new file may have either.
            if line.endswith(b"\r\n") and not crlf and hunk.old:
                yield f"{file.path}, hunk {number}: adds a CRLF line to an LF file: {text!r}"
            elif crlf and not line.endswith(b"\r\n"):
                yield f"{file.path}, hunk {number}: adds an LF line to a CRLF file: {text!r}"
            if _BLANKS.search(line):
                yield f"{file.path}, hunk {number}: adds blanks at the end of a line: {text!r}"
            if re.match(rb" +\t", line):
                yield f"{file.path}, hunk {number}: adds a tab after blanks: {text!r}"
        if hunk.new and hunk.trailing == 0 and hunk.new[-1].strip() == b"" and hunk.new[-1] not in kept:
            yield f"{file.path}, hunk {number}: adds an empty line at the end of the file"


def _application(whole: _Series) -> Iterator[str]:
    """Every patch applies exactly where it says, and alone with those that it says it depends on."""
    tree = Overlay(whole.tree)
    title = catalogue.title(whole.distribution)
    for patch in whole.patches:
        try:
            yield from (f"{offset}: export it again" for offset in tree.apply(patch, against=title))
        except SeriesError as err:
            # What comes after it cannot be judged: the file is not what those patches were made for.
            yield f"{err.what}: {'; '.join(err.details)}"
            return
    for number, patch in enumerate(whole.patches):
        before = whole.patches[:number]
        # Only a patch before it that touches the same file can be what it builds upon.
        rivals = [other for other in before if other.touched & patch.touched]
        stated = sorted(set(patch.depends))
        yield from (f"{patch.name}: Depends names {item!r}, which is not before it" for item in stated
                    if whole.named(item) not in before)  # fmt: skip
        if rivals and not _applies(whole, patch, _closure(whole, patch)):
            needed = ", ".join(other.slug for other in _needed(whole, patch, before, rivals))
            yield f"{patch.name}: needs others before it; say so: Depends: {needed}"


def _needed(whole: _Series, patch: Patch, before: Sequence[Patch], rivals: list[Patch]) -> list[Patch]:
    """Those without which it does not apply; where it is none alone, all that touch the same files."""
    alone = [other for other in rivals if not _applies(whole, patch, [item for item in before if item is not other])]
    return alone or rivals


def _closure(whole: _Series, patch: Patch) -> list[Patch]:
    """The patches that a patch says it depends on, and theirs, in the order of the series."""
    wanted: set[str] = set()
    ahead = [patch]
    while ahead:
        for item in ahead.pop().depends:
            found = whole.named(item)
            if found is not None and found.name not in wanted:
                wanted.add(found.name)
                ahead.append(found)
    return [item for item in whole.patches if item.name in wanted]


def _applies(whole: _Series, patch: Patch, before: Sequence[Patch]) -> bool:
    """Whether a patch applies after these alone; their offsets do not matter."""
    tree = Overlay(whole.tree)
    try:
        for item in (*before, patch):
            tree.apply(item, against="the source")
    except SeriesError:
        return False
    return True
