"""Store -> a folder of static files that answers like the index: pages, metadata, files by hash. Writes that folder.

    DIR/current -> tree-N                  one rename switches all readers from the last export to this one
    DIR/tree-N/simple/index.html, .json, and PROJECT/index.html, .json, each with a .gz beside it
    DIR/tree-N/packages/FILE, FILE.metadata, DIR/tree-N/integrity/FILE
    DIR/tree-N/index.html, static/, project/, pypi/      for people and older clients; `page_tree` says more
    DIR/files/ab/SHA256                    every file once; the trees hold hard links to it

A page that has not changed since the last export is linked, not written, and so is every file: an export costs what is
new. What has other bytes than its record says is left out and named, and taken once it is whole again. `DIR/nginx.conf`
makes nginx choose the representation and give the same headers.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packaging.utils import NormalizedName

from astronomer_certified.effects.disk import write_atomic
from astronomer_certified.errors import PublishError
from astronomer_certified.index.api import pages, rendering
from astronomer_certified.index.api.pages import Places
from astronomer_certified.index.api.site import stamp_of
from astronomer_certified.index.store import validation
from astronomer_certified.index.store.reading import regular, whole
from astronomer_certified.index.store.records import FileRecord, ProjectRecord
from astronomer_certified.index.store.store import Store
from astronomer_certified.steps import code

from . import nginx
from .page_tree import BELOW, PageTree

_STATE = "state.json"
_FORMAT = 3
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What an export holds, how many pages and files it had to write, and what is wrong with the store."""

    projects: int
    files: int
    written: int
    withheld: tuple[str, ...] = ()
    """A line for each file that is left out and each project that could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How the export will be served; `nginx.conf` says it."""

    listen: str = "127.0.0.1:8081"
    public_url: str | None = None
    upstream: str | None = None
    protected: tuple[str, ...] = ()


def write(store: Store, target: Path, serving: Serving) -> Written:
    """`target/current` shows the store as it is now; what was written for it comes back.

    Whoever reads meanwhile sees all of the old or all of the new. Raises PublishError when `target` cannot take it.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        with (target / ".lock").open("ab") as turn:
            # Two at once would write into the same tree, and each remove what the other links to.
            fcntl.flock(turn, fcntl.LOCK_EX)
            return _Writing(store, target, serving).run()
    except OSError as err:
        raise PublishError(
            f"{target} cannot take the export",
            details=[str(err)],
            hint="it must be a folder of one file system with hard links, that this user may write to",
        ) from err


class _Writing:
    def __init__(self, store: Store, target: Path, serving: Serving) -> None:
        self._store = store
        self._target = target
        self._serving = serving
        public = serving.public_url
        self._public = f"{public.rstrip('/')}/" if public else None
        self._places = Places(provenance=f"{self._public}integrity/" if self._public else None)
        # What made them is a setting, too: pages of an older tool are written again.
        made_by = [rendering.digest(), code.digest_of(PageTree.__module__)]
        self._settings = {"format": _FORMAT, "provenance": self._places.provenance, "made_by": made_by}
        self._last, known = _state(target)
        # Pages made under other settings look different: all of them are written again.
        self._known: dict[str, int] = known["stamps"] if known.get("settings") == self._settings else {}
        self._stamps: dict[str, int] = {}
        self._written = 0
        self._files = 0
        self._withheld: list[str] = []

    def run(self) -> Written:
        # Files are made durable all at once, at the end. Of an export that did not get there, none is believed.
        unfinished = self._target / "unfinished"
        if unfinished.exists():
            self._doubt()
        write_atomic(unfinished, b"")
        number = int(self._last.name.removeprefix("tree-")) + 1 if self._last is not None else 1
        tree = self._target / f"tree-{number}"
        shutil.rmtree(tree, ignore_errors=True)  # of an export that was killed
        for folder in ("simple", "packages", "integrity"):
            (tree / folder).mkdir(parents=True)
        names = self._store.names()
        with contextlib.closing(PageTree(self._store, tree, self._public)) as page_tree:
            self._projects(tree, names, page_tree)
            page_tree.rest()
        self._page(tree / "simple", pages.list_html(names), pages.list_json(names))
        (tree / "health").write_text("Ok", encoding="utf-8")
        (tree / _STATE).write_text(json.dumps({"settings": self._settings, "stamps": self._stamps}), encoding="utf-8")
        serving = self._serving
        text = nginx.configuration(
            self._target, listen=serving.listen, upstream=serving.upstream, protected=serving.protected
        )
        # A path may be in no encoding.
        write_atomic(self._target / "nginx.conf", text.encode(errors="surrogateescape"))
        self._switch(tree)
        unfinished.unlink()
        return Written(projects=len(names), files=self._files, written=self._written, withheld=tuple(self._withheld))

    def _projects(self, tree: Path, names: list[NormalizedName], page_tree: PageTree) -> None:
        for name in names:
            try:
                # The time first: what changes meanwhile is new to the next export.
                stamp = stamp_of(self._store.record_file(name))
                record = self._store.project(name)
            except (PublishError, OSError) as err:
                self._withheld.append(f"{name}: shown as it was at the last export. {err}")
                self._as_before(tree, name)
                if (page := tree / "simple" / name / "index.html").exists():
                    page_tree.files_on(page)
                continue
            if record is not None:
                self._project(tree, record, stamp, page_tree)

    def _project(self, tree: Path, record: ProjectRecord, stamp: int, page_tree: PageTree) -> None:
        kept = record
        for file in record.served:
            kept = kept.holding(self._file(tree, file))
        folder = tree / "simple" / record.name
        folder.mkdir()
        last = self._last if kept == record and self._known.get(record.name) == stamp else None
        if last is not None:
            _link_all(last / "simple" / record.name, folder)
        else:
            self._page(folder, pages.project_html(kept, self._places), pages.project_json(kept, self._places))
        if last is not None and page_tree.may_be_linked(record.name):
            for below in BELOW:
                _link_all(last / below / record.name, tree / below / record.name)
        else:
            page_tree.project(kept)
        if kept == record:
            # Else the next export makes its pages anew: what is damaged now may be whole by then.
            self._stamps[record.name] = stamp
        page_tree.files_of(kept)
        self._note_withheld(tree, kept)

    def _as_before(self, tree: Path, name: NormalizedName) -> None:
        """A project whose record cannot be read: nothing of it is new, and nobody loses it for that."""
        last = self._last
        if last is None or not (last / "simple" / name).is_dir():
            return
        for below in ("simple", *BELOW):
            _link_all(last / below / name, tree / below / name)
        listed: dict[str, Any] = json.loads((last / "simple" / name / "index.json").read_text(encoding="utf-8"))
        for filename in (file["filename"] for file in listed["files"]):
            self._files += 1
            for place in (f"packages/{filename}", f"packages/{filename}.metadata", f"integrity/{filename}"):
                with contextlib.suppress(FileNotFoundError):
                    (tree / place).hardlink_to(last / place)
        for path in (last / "gone").glob("*"):
            if validation.parse(path.name).project == name:
                (tree / "gone").mkdir(exist_ok=True)
                (tree / "gone" / path.name).touch()

    def _page(self, folder: Path, html: bytes, json_page: bytes) -> None:
        self._written += 1
        for suffix, content in (("html", html), ("json", json_page)):
            (folder / f"index.{suffix}").write_bytes(content)
            # Without a time, so that the same page has the same bytes.
            (folder / f"index.{suffix}.gz").write_bytes(gzip.compress(content, 9, mtime=0))
        # The same bytes under the name by which a web server knows PEP 691's type.
        (folder / "index.v1html").hardlink_to(folder / "index.html")
        (folder / "index.v1html.gz").hardlink_to(folder / "index.html.gz")

    def _file(self, tree: Path, file: FileRecord) -> FileRecord:
        """What may be shown of the file: all of it, but for what does not have the bytes that it should."""
        name = file.filename
        if not self._link(self._store.file(name), file.sha256, tree / "packages" / name):
            self._withheld.append(f"{name}: its bytes are not those that were published, or it is gone")
            return replace(file, withheld="the file is damaged")
        self._files += 1
        metadata, provenance = file.metadata_sha256, file.provenance_sha256
        if metadata and not self._link(self._store.metadata(name), metadata, tree / "packages" / f"{name}.metadata"):
            self._withheld.append(f"{name}: its metadata is damaged and left out")
            file = replace(file, metadata_sha256=None)
        if provenance and not self._link(self._store.provenance(name), provenance, tree / "integrity" / name):
            self._withheld.append(f"{name}: its provenance is damaged and left out")
            file = replace(file, provenance_sha256=None)
        return file

    def _link(self, source: Path, sha256: str, place: Path) -> bool:
        """Whether `place` has these bytes."""
        pool = self._target / "files" / sha256[:2] / sha256
        if not _sealed(pool, sha256) and not self._fill(pool, source, sha256):
            return False
        with contextlib.suppress(FileExistsError):
            place.hardlink_to(pool)
        return True

    def _fill(self, pool: Path, source: Path, sha256: str) -> bool:
        """Whether `pool` is sealed: it was whole all the same, or is now."""
        # It may lack nothing but its seal: `_doubt` breaks all of them.
        if whole(pool, sha256):
            _seal(pool, sha256)
            return True
        pool.parent.mkdir(parents=True, exist_ok=True)
        beside = pool.with_suffix(".new")
        digest = hashlib.sha256()
        try:
            # It is hashed while it is copied: what was looked at is what is written.
            stream = regular(source)
        except OSError:
            return False
        with stream, beside.open("wb") as copy:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                copy.write(chunk)
        if digest.hexdigest() != sha256:
            beside.unlink()
            return False
        self._written += 1
        _seal(beside, sha256)
        beside.replace(pool)
        return True

    def _doubt(self) -> None:
        """No seal counts: what was sealed may not have reached the disk."""
        for path in (self._target / "files").glob("*/*"):
            os.utime(path, ns=(path.stat().st_mtime_ns // 10**9 * 10**9,) * 2)

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
        # link(2) and symlink(2) replace nothing; rename does, at one instant.
        beside.symlink_to(tree.name)
        beside.replace(self._target / "current")
        for other in self._target.glob("tree-*"):
            # The last one stays for who opened a file of it a moment ago.
            if other != tree and other != self._last:
                shutil.rmtree(other, ignore_errors=True)


def _link_all(source: Path, folder: Path) -> None:
    if not source.is_dir():
        return  # of an export that had none of these
    folder.mkdir(parents=True, exist_ok=True)
    for page in source.iterdir():
        if page.is_dir():
            _link_all(page, folder / page.name)
        else:
            (folder / page.name).hardlink_to(page)


# Reading all of the pool again at each export would cost minutes. A file that was found right gets a time whose
# nanoseconds say so; whatever is written to it later changes them.


def _seal(path: Path, sha256: str) -> None:
    seconds = path.stat().st_mtime_ns // 10**9
    os.utime(path, ns=(seconds * 10**9 + _nanoseconds(sha256),) * 2)


def _sealed(path: Path, sha256: str) -> bool:
    try:
        return path.stat().st_mtime_ns % 10**9 == _nanoseconds(sha256)
    except OSError:
        return False


def _nanoseconds(sha256: str) -> int:
    return int(sha256[:7], 16)


def _state(target: Path) -> tuple[Path | None, dict[str, dict[str, int]]]:
    """The tree that is current, and what it was made from."""
    try:
        tree = (target / "current").resolve(strict=True)
        return tree, json.loads((tree / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None, {}
