"""Store -> a folder of static files that answers like the index: pages, metadata, files by hash. Writes that folder.

    DIR/current -> tree-N                  one rename switches all readers from the last export to this one
    DIR/tree-N/simple/index.html, .json, and PROJECT/index.html, .json, each with a .gz beside it
    DIR/tree-N/packages/FILE, FILE.metadata, DIR/tree-N/integrity/FILE
    DIR/files/ab/SHA256                    every file once; the trees hold hard links to it

A page that has not changed since the last export is linked, not written, and so is every file: an export costs what is
new. `DIR/nginx.conf` makes nginx choose the representation and give the same headers.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName

from astronomer_certified.effects import write_atomic
from astronomer_certified.errors import PublishError

from . import integrity, nginx, pages
from .pages import Places
from .people import People
from .records import FileRecord, ProjectRecord
from .site import Address
from .store import Store

_STATE = "state.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export holds, and how many pages and files it had to write."""

    projects: int
    files: int
    written: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How the export will be served; `nginx.conf` says it."""

    listen: str = "127.0.0.1:8081"
    public_url: str | None = None
    upstream: str | None = None
    protected: tuple[str, ...] = ()


def export(store: Store, target: Path, serving: Serving) -> Exported:
    """`target/current` shows the store as it is now. Whoever reads meanwhile sees all of the old or all of the new."""
    try:
        target.mkdir(parents=True, exist_ok=True)
        with (target / ".lock").open("a") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            return _Export(store, target, serving).run()
    except OSError as err:
        raise PublishError(
            f"{target} cannot take the export",
            details=[str(err)],
            hint="it must be a folder of one file system with hard links, that this user may write to",
        ) from err


class _Export:
    def __init__(self, store: Store, target: Path, serving: Serving) -> None:
        self._store = store
        self._target = target
        self._serving = serving
        public = serving.public_url
        self._places = Places(provenance=f"{public.rstrip('/')}/integrity/" if public else None)
        self._settings = {"format": 1, "provenance": self._places.provenance}
        self._last, known = _state(target)
        # Pages made under other settings look different: all of them are written again.
        self._known: dict[str, int] = known["stamps"] if known.get("settings") == self._settings else {}
        self._stamps: dict[str, int] = {}
        self._in_doubt = False
        self._written = 0
        self._files = 0

    def run(self) -> Exported:
        # Files are made durable all at once, at the end. Of an export that did not get there, none is believed.
        unfinished = self._target / "unfinished"
        self._in_doubt = unfinished.exists()
        write_atomic(unfinished, b"")
        number = int(self._last.name.removeprefix("tree-")) + 1 if self._last is not None else 1
        tree = self._target / f"tree-{number}"
        shutil.rmtree(tree, ignore_errors=True)  # of an export that was killed
        for folder in ("simple", "packages", "integrity"):
            (tree / folder).mkdir(parents=True)
        names = self._store.names()
        for name in names:
            self._project(tree, name)
        self._for_people(tree)
        self._page(tree / "simple", pages.list_html(names), pages.list_json(names))
        (tree / "health").write_text("Ok")
        (tree / _STATE).write_text(json.dumps({"settings": self._settings, "stamps": self._stamps}))
        serving = self._serving
        text = nginx.configuration(
            self._target, listen=serving.listen, upstream=serving.upstream, protected=serving.protected
        )
        write_atomic(self._target / "nginx.conf", text.encode())
        self._switch(tree)
        unfinished.unlink()
        return Exported(projects=len(names), files=self._files, written=self._written)

    def _project(self, tree: Path, name: NormalizedName) -> None:
        stamp = self._store.record_file(name).stat().st_mtime_ns
        record = self._store.project(name)
        if record is None:
            return
        self._stamps[name] = stamp
        folder = tree / "simple" / name
        folder.mkdir()
        if self._known.get(name) == stamp and self._last is not None:
            for page in (self._last / "simple" / name).iterdir():
                (folder / page.name).hardlink_to(page)
        else:
            self._page(folder, pages.project_html(record, self._places), pages.project_json(record, self._places))
        for file in record.served:
            self._file(tree, file)
        self._note_withheld(tree, record)

    def _page(self, folder: Path, html: bytes, json_page: bytes) -> None:
        self._written += 1
        for suffix, content in (("html", html), ("json", json_page)):
            (folder / f"index.{suffix}").write_bytes(content)
            (folder / f"index.{suffix}.gz").write_bytes(gzip.compress(content, 9, mtime=0))
        # The same bytes under the name by which a web server knows PEP 691's type.
        (folder / "index.v1html").hardlink_to(folder / "index.html")
        (folder / "index.v1html.gz").hardlink_to(folder / "index.html.gz")

    def _file(self, tree: Path, file: FileRecord) -> None:
        self._files += 1
        self._link(self._store.file(file.filename), file.sha256, tree / "packages" / file.filename)
        if file.metadata_sha256 is not None:
            metadata = self._store.metadata(file.filename)
            self._link(metadata, file.metadata_sha256, tree / "packages" / f"{file.filename}.metadata")
        if file.provenance_sha256 is not None:
            provenance = self._store.provenance(file.filename)
            self._link(provenance, file.provenance_sha256, tree / "integrity" / file.filename)

    def _link(self, source: Path, sha256: str, place: Path) -> None:
        pool = self._target / "files" / sha256[:2] / sha256
        if not (integrity.whole(pool, sha256) if self._in_doubt else pool.exists()):
            self._written += 1
            pool.parent.mkdir(parents=True, exist_ok=True)
            beside = pool.with_suffix(".new")
            shutil.copyfile(source, beside)
            beside.replace(pool)
        with contextlib.suppress(FileExistsError):
            place.hardlink_to(pool)

    def _for_people(self, tree: Path) -> None:
        """What is on one page there is on one page here; there is no search, which needs a server."""
        people = People(self._store, Address(public_url=self._serving.public_url))
        (tree / "index.html").write_bytes(people.front())
        for record in self._store.projects():
            folder = tree / "project" / record.name
            folder.mkdir(parents=True)
            (folder / "index.html").write_bytes(people.project(record))

    def _note_withheld(self, tree: Path, record: ProjectRecord) -> None:
        """nginx answers 410 for them, as the index does."""
        gone = tree / "gone"
        for file in set(record.files) - set(record.served):
            gone.mkdir(exist_ok=True)
            (gone / file.filename).touch()

    def _switch(self, tree: Path) -> None:
        os.sync()  # thousands of small files at once; one fsync for each would take minutes
        beside = self._target / ".current"
        beside.unlink(missing_ok=True)
        beside.symlink_to(tree.name)
        beside.replace(self._target / "current")
        for other in self._target.glob("tree-*"):
            # The last one stays for who opened a file of it a moment ago.
            if other != tree and other != self._last:
                shutil.rmtree(other, ignore_errors=True)


def _state(target: Path) -> tuple[Path | None, dict[str, dict[str, int]]]:
    """The tree that is current, and what it was made from."""
    try:
        tree = (target / "current").resolve(strict=True)
        return tree, json.loads((tree / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None, {}
