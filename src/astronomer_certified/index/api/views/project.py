"""A project's record, what a version says of itself, notes -> the page of that version. Touches nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packaging.version import Version

from astronomer_certified.index.api.descriptions import Description
from astronomer_certified.index.api.install_lines import Install, recommended, requirement, shown_version
from astronomer_certified.index.api.metadata import Link, Said, files_of
from astronomer_certified.index.api.notes import Note
from astronomer_certified.index.store.records import FileRecord, ProjectRecord, Status

from . import releases
from .releases import ReleaseNotes, ReleaseRow, Vulnerabilities

# Characters of a licence that is a name; a longer one is its text.
_NAME = 100


# Versions on the page of one of them.
_VERSIONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """A file; `withheld` says why it has no link."""

    filename: str
    size: int
    uploaded: str
    sha256: str
    requires_python: str
    yanked: str | None
    withheld: str | None
    has_provenance: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """A version; `files` and `withheld` are numbers of files."""

    version: str
    uploaded: str
    files: int
    withheld: int
    yanked: str | None
    prerelease: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPage:
    """What the page of a project shows of one of its versions."""

    name: str
    version: str
    whole: bool
    """Whether it is the project's page, not that of a version."""
    summary: str
    status: str
    reason: str
    newer: str
    yanked: str | None
    install: Install | None
    note: ReleaseNotes | None
    releases: tuple[ReleaseRow, ...]
    vulnerabilities: Vulnerabilities
    description: Description
    files: tuple[FileRow, ...]
    hashes: str
    dependencies: tuple[str, ...]
    versions: tuple[VersionRow, ...]
    """Newest first."""
    more_versions: int
    """Older ones, which the project's own page has."""
    about: tuple[tuple[str, str], ...]
    licence_text: str
    links: tuple[Link, ...]
    extras: tuple[str, ...]
    classifiers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Of which version the page is, and what is known of it. `version` is None for the project's own page."""

    record: ProjectRecord
    version: str | None
    said: Said
    description: Description
    known: Mapping[str, Note]
    simple: str


def view(asked: Asked) -> ProjectPage:
    """The page."""
    record, said = asked.record, asked.said
    best = shown_version(record)
    version = asked.version or best
    files = files_of(record, version)
    served = [file for file in files if record.serves(file)]
    wanted = requirement(record.name, version, asked.known) if asked.version is None else f"{record.name}=={version}"
    # Whoever asks for a version gets the line for it; the project's own page recommends what is final and not yanked.
    recommended_here = asked.version is not None or recommended(record) is not None
    versions = list(dict.fromkeys(file.version for file in reversed(record.files)))
    there = [asked.known[version] for version in versions if version in asked.known]
    own = asked.known.get(version)
    licence = said.licence
    return ProjectPage(
        name=record.name,
        version=version,
        whole=asked.version is None,
        summary=said.summary,
        status="" if record.status is Status.ACTIVE else record.status.value,
        reason=record.reason or "",
        newer=best if asked.version is not None and _is_newer(best, version) else "",
        yanked=next((file.yanked for file in files if file.yanked is not None), None) if asked.version else None,
        install=Install.of(wanted, asked.simple) if served and recommended_here else None,
        note=releases.notes_of(own) if own is not None else None,
        releases=releases.table(record, asked.known) if asked.known and asked.version is None else (),
        vulnerabilities=releases.vulnerabilities(there) if asked.version is None else Vulnerabilities(),
        description=asked.description,
        files=tuple(_file(record, file) for file in files),
        hashes=_hashes(f"{record.name}=={version}", served),
        dependencies=tuple(said.raw.get("requires_dist", ())),
        # All of them on one page: on that of each, they would be as many as their square.
        versions=_versions(record, versions if asked.version is None else versions[:_VERSIONS]),
        more_versions=max(0, len(versions) - _VERSIONS) if asked.version is not None else 0,
        about=_about(files, said),
        licence_text=licence if _is_text(licence) else "",
        links=said.links,
        extras=tuple(said.raw.get("provides_extra", ())),
        classifiers=tuple(said.raw.get("classifiers", ())),
    )


def _is_newer(one: str, other: str) -> bool:
    return bool(one) and Version(one) > Version(other)


def _is_text(licence: str) -> bool:
    return len(licence) > _NAME or "\n" in licence


def _file(record: ProjectRecord, file: FileRecord) -> FileRow:
    withheld = file.withheld
    if record.status is Status.QUARANTINED:
        withheld = withheld or record.reason or record.status.value
    return FileRow(
        filename=file.filename,
        size=file.size,
        uploaded=file.uploaded,
        sha256=file.sha256,
        requires_python=file.requires_python or "",
        yanked=file.yanked,
        withheld=withheld,
        has_provenance=file.provenance_sha256 is not None,
    )


def _hashes(requirement: str, files: list[FileRecord]) -> str:
    """The requirement with the sha256 of each file, as pip's hash-checking mode reads it."""
    lines = [requirement, *(f"    --hash=sha256:{file.sha256}" for file in files)]
    return " \\\n".join(lines) if files else ""


def _versions(record: ProjectRecord, wanted: Sequence[str]) -> tuple[VersionRow, ...]:
    """A row for each of these."""
    by_version: dict[str, list[FileRecord]] = {version: [] for version in wanted}
    for file in record.files:
        if file.version in by_version:
            by_version[file.version].append(file)
    return tuple(
        VersionRow(
            version=version,
            uploaded=min(file.uploaded for file in files),
            files=len(files),
            withheld=sum(not record.serves(file) for file in files),
            yanked=next((file.yanked for file in files if file.yanked is not None), None),
            prerelease=Version(version).is_prerelease,
        )
        for version, files in by_version.items()
    )


def _about(files: tuple[FileRecord, ...], said: Said) -> tuple[tuple[str, str], ...]:
    licence = said.licence
    kinds = [line.rpartition(" :: ")[2] for line in said.raw.get("classifiers", ()) if line.startswith("License ::")]
    python = next((file.requires_python for file in files if file.requires_python), None)
    rows = {
        "Published": min((file.uploaded for file in files), default="")[:10],
        "Requires Python": python or "",
        # Older tools put the whole text there: then its classifier is the name.
        "Licence": ", ".join(kinds) if _is_text(licence) or not licence else licence,
        "Author": said.author,
        "Maintainer": said.maintainer,
        "Keywords": ", ".join(said.raw.get("keywords", ())),
    }
    return tuple((term, text) for term, text in rows.items() if text)
