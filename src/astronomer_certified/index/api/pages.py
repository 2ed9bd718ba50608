"""Records -> the pages of the simple repository API, as HTML and JSON. Touches nothing.

PEP 503, 592, 629, 658, 691, 700, 714, 740 and 792. Addresses are relative, so a page is the same below any path, behind
any proxy and as a static file; but for those of provenance, which PEP 740 wants whole. The same record gives the same
bytes in every process, so their hash is an ETag.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import quote

from packaging.utils import NormalizedName

from astronomer_certified.index.store.records import FileRecord, ProjectRecord

from .rendering import without_controls

HTML = "application/vnd.pypi.simple.v1+html"
JSON = "application/vnd.pypi.simple.v1+json"
LEGACY = "text/html; charset=utf-8"

# That of PEP 792, which added the status of a project.
_VERSION = "1.4"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where files are, as seen from a project's page: prefixes of addresses, each ending in a slash."""

    files: str = "../../packages/"
    provenance: str | None = None
    """Whole, with scheme and host; None to leave provenance out."""
    tracks: str | None = None
    """The upstream project that a page passes on (PEP 708)."""


def project_json(project: ProjectRecord, places: Places) -> bytes:
    """PEP 691's page of one project."""
    status: dict[str, str] = {"status": project.status.value}
    if project.reason:
        status["reason"] = project.reason
    page = {
        "meta": {"api-version": _VERSION} | ({"tracks": [places.tracks]} if places.tracks else {}),
        "name": project.name,
        "project-status": status,
        "versions": list(dict.fromkeys(file.version for file in project.served)),
        "files": [_file_json(file, places) for file in project.served],
    }
    return json.dumps(page, separators=(",", ":"), ensure_ascii=False).encode()


def _file_json(file: FileRecord, places: Places) -> dict[str, Any]:
    metadata = {"sha256": file.metadata_sha256} if file.metadata_sha256 else False
    values: dict[str, Any] = {
        "filename": file.filename,
        "url": places.files + quote(file.filename),
        "hashes": {"sha256": file.sha256},
        # PEP 714: the second name is the one that the public index had by mistake. That of PEP 691,
        # `dist-info-metadata`, makes older pips fail.
        "core-metadata": metadata,
        "data-dist-info-metadata": metadata,
        # PEP 691: true or a reason. An empty reason would be false.
        "yanked": (file.yanked or True) if file.yanked is not None else False,
    }
    # What passes through from an upstream that does not say so has neither.
    if file.size >= 0:
        values["size"] = file.size
    if file.uploaded:
        values["upload-time"] = file.uploaded
    if file.requires_python is not None:
        values["requires-python"] = file.requires_python
    if file.provenance_sha256 is not None and places.provenance is not None:
        values["provenance"] = places.provenance + quote(file.filename)
    return values


def project_html(project: ProjectRecord, places: Places) -> bytes:
    """PEP 503's page of one project."""
    status = f'<meta name="pypi:project-status" content="{project.status.value}">\n'
    if project.reason:
        status += f'<meta name="pypi:project-status-reason" content="{_attribute(project.reason)}">\n'
    if places.tracks:
        status += f'<meta name="pypi:tracks" content="{_attribute(places.tracks)}">\n'
    links = "".join(link(file, places) for file in project.served)
    return _page(f"Links for {project.name}", status, links)


def link(file: FileRecord, places: Places) -> str:
    """A line of an HTML page, with all that installers read there."""
    words = [f'href="{places.files}{quote(file.filename)}#sha256={file.sha256}"']
    if file.requires_python is not None:
        # PEP 503: `<` and `>` are written as entities.
        words.append(f'data-requires-python="{_attribute(file.requires_python)}"')
    if file.metadata_sha256 is not None:
        # PEP 714: both, because pip 22.2 to 23.2 know the old name only.
        words.append(f'data-dist-info-metadata="sha256={file.metadata_sha256}"')
        words.append(f'data-core-metadata="sha256={file.metadata_sha256}"')
    if file.provenance_sha256 is not None and places.provenance is not None:
        words.append(f'data-provenance="{places.provenance}{quote(file.filename)}"')
    if file.yanked is not None:
        words.append(f'data-yanked="{_attribute(file.yanked)}"')
    return f"<a {' '.join(words)}>{escape(file.filename)}</a><br>\n"


def _attribute(text: str) -> str:
    """The text in one line, as an attribute has it."""
    return escape(without_controls(" ".join(text.split())))


def list_json(names: Iterable[NormalizedName]) -> bytes:
    """PEP 691's list of all projects."""
    page = {"meta": {"api-version": _VERSION}, "projects": [{"name": name} for name in names]}
    return json.dumps(page, separators=(",", ":")).encode()


def list_html(names: Iterable[NormalizedName]) -> bytes:
    """PEP 503's list of all projects."""
    # Normalized names need no escaping: they are lower-case letters, digits and single hyphens.
    return _page("Simple index", "", "".join([f'<a href="{name}/">{name}</a>\n' for name in names]))


def _page(title: str, meta: str, links: str) -> bytes:
    return (
        "<!DOCTYPE html>\n<html>\n<head>\n"
        f'<meta name="pypi:repository-version" content="{_VERSION}">\n{meta}<title>{title}</title>\n'
        f"</head>\n<body>\n<h1>{title}</h1>\n{links}</body>\n</html>\n"
    ).encode()
