"""Store -> the files of an export's tree that people and older clients read. Writes them.

TREE/index.html, TREE/static/style-HASH.css
TREE/project/PROJECT/index.html, TREE/project/PROJECT/VERSION/index.html
TREE/pypi/PROJECT/json, TREE/pypi/PROJECT/VERSION/json
TREE/packages/index.html
"""

from __future__ import annotations

import gzip
from pathlib import Path

from packaging.utils import NormalizedName

from astronomer_certified.index.api import find_links, pages, rendering
from astronomer_certified.index.api.older_clients import OlderClients
from astronomer_certified.index.api.pages import Places
from astronomer_certified.index.api.site import Address
from astronomer_certified.index.api.web_pages import CERTIFIED, WebPages
from astronomer_certified.index.store.records import ProjectRecord
from astronomer_certified.index.store.store import Store

# The folders that hold something of each project.
BELOW = ("project", "pypi")

# How the page of a project names its files, seen from there.
_FROM_PROJECT = f'<a href="{pages.Places().files}'


class PageTree:
    """One tree. What another tree already has, `export` links instead. Close it when all is written."""

    def __init__(self, store: Store, tree: Path, public: str | None) -> None:
        address = Address(public_url=public)
        self._tree = tree
        self._pages = WebPages(store, address, static=True)
        self._older = OlderClients(store, address)
        self._places = Places(files="", provenance=f"{public}integrity/" if public else None)
        self._lines: list[str] = []

    @staticmethod
    def may_be_linked(name: NormalizedName) -> bool:
        """Whether a project's pages depend on its record alone; those of the certified wheel hold the notes, too."""
        return name != CERTIFIED

    def close(self) -> None:
        """Nothing more is written."""
        self._pages.close()

    def project(self, record: ProjectRecord) -> None:
        """The pages of a project and of all its versions."""
        folder = self._tree / "project" / record.name
        _put(folder / "index.html", self._pages.project(record))
        older = self._tree / "pypi" / record.name
        whole = self._older.page(record)
        if whole is not None:
            _put(older / "json", whole)
        for version in dict.fromkeys(file.version for file in record.files):
            _put(folder / version / "index.html", self._pages.project(record, version))
            one = self._older.page(record, version)
            if one is not None:
                _put(older / version / "json", one)

    def files_of(self, record: ProjectRecord) -> None:
        """The files of this project will be on the page of all files."""
        self._lines += find_links.lines(record, self._places)

    def files_on(self, page: Path) -> None:
        """So will those on the installers' page of a project, whose record cannot be read."""
        # That page, which the last export wrote, is all that is known of it.
        links = page.read_text(encoding="utf-8").split("\n")
        found = [line.removeprefix(_FROM_PROJECT) for line in links if line.startswith(_FROM_PROJECT)]
        self._lines += [f'<a href="{line}\n' for line in found]

    def rest(self) -> None:
        """The pages that are of no project: the front page, the style sheet, all files."""
        _put(self._tree / "index.html", self._pages.front())
        _put(self._tree / "static" / rendering.style_name(), rendering.style())
        _put(self._tree / "packages" / "index.html", find_links.page(self._lines))


def _put(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    # No time in it: the same page has the same bytes in each export.
    target.with_name(f"{target.name}.gz").write_bytes(gzip.compress(content, 6, mtime=0))
