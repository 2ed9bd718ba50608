"""A project's record and what a version says of itself -> JSON that tools asked for before PEP 691. Touches nothing.

`/pypi/NAME/json` was never specified. These are the fields that renovate, dependabot and others read, by the names that
the public index gives them; what this index does not know (downloads, signatures, serials) has the value for nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from astronomer_certified.index.store.records import FileRecord, ProjectRecord

from .metadata import Said, known

# The fields of `info` that are METADATA's own, as text.
_TEXTS = (
    "author", "author_email", "download_url", "home_page", "license", "license_expression", "maintainer",
    "maintainer_email", "summary", "description", "description_content_type",
)  # fmt: skip

# Those that are lists; null where there is none, as ever.
_LISTS = ("license_files", "provides_extra", "requires_dist", "dynamic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Addresses as these pages give them, each ending in a slash: of the files, and of the pages for people."""

    files: str
    project: str


def project_json(record: ProjectRecord, version: str, said: Said, places: Places) -> bytes:
    """The page of a project, whose `info` is about that version; every version's files are in `releases`."""
    releases: dict[str, list[dict[str, Any]]] = {}
    for file in record.served:
        releases.setdefault(file.version, []).append(_file(file, places))
    return _page(record, version, said, places, {"releases": releases})


def version_json(record: ProjectRecord, version: str, said: Said, places: Places) -> bytes:
    """The page of one version."""
    return _page(record, version, said, places, {})


def _page(record: ProjectRecord, version: str, said: Said, places: Places, more: dict[str, Any]) -> bytes:
    files = [file for file in record.served if file.version == version]
    page = {"info": _about(record, version, files, said, places), "last_serial": 0} | more
    page |= {"urls": [_file(file, places) for file in files], "vulnerabilities": []}
    return json.dumps(page, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def _about(record: ProjectRecord, version: str, files: list[FileRecord], said: Said, places: Places) -> dict[str, Any]:
    raw: dict[str, Any] = dict(said.raw)
    reasons = [file.yanked for file in files if file.yanked is not None]
    here = f"{places.project}{record.name}/"
    return {
        **{name: known(raw.get(name)) or None for name in _TEXTS},
        **{name: raw.get(name) or None for name in _LISTS},
        # Without these, whoever splits them would have to ask first.
        "summary": said.summary,
        "description": known(raw.get("description")),
        "keywords": ",".join(raw.get("keywords", ())),
        "classifiers": raw.get("classifiers", []),
        "platform": ",".join(raw.get("platforms", ())) or None,
        "project_urls": raw.get("project_urls") or None,
        "name": record.name,
        "version": version,
        "requires_python": next((file.requires_python for file in files if file.requires_python), None),
        # Files are yanked, one by one (PEP 592): a version is when all of its files are.
        "yanked": bool(files) and len(reasons) == len(files),
        "yanked_reason": next(filter(None, reasons), None),
        "package_url": here,
        "project_url": here,
        "release_url": f"{here}{quote(version)}/",
        "docs_url": None,
        "bugtrack_url": None,
        "downloads": {"last_day": -1, "last_week": -1, "last_month": -1},
    }


def _file(file: FileRecord, places: Places) -> dict[str, Any]:
    wheel = file.filename.endswith(".whl")
    return {
        "filename": file.filename,
        "url": places.files + quote(file.filename),
        "size": file.size,
        "digests": {"sha256": file.sha256},
        "packagetype": "bdist_wheel" if wheel else "sdist",
        "python_version": file.filename.removesuffix(".whl").split("-")[-3] if wheel else "source",
        "requires_python": file.requires_python,
        "upload_time": file.uploaded[:19],
        "upload_time_iso_8601": file.uploaded,
        "yanked": file.yanked is not None,
        "yanked_reason": file.yanked or None,
        "comment_text": "",
        "downloads": -1,
        "has_sig": False,
    }
