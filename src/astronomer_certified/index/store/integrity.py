"""Store -> what in it is not as its records say, and the store put right as far as it can be. No network.

`reconcile` is quick and runs at each start: it looks at names only. `verify` reads every byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.utils import NormalizedName

from astronomer_certified.effects.disk import FULL
from astronomer_certified.errors import PublishError

from . import validation
from .reading import is_name, whole
from .records import FileRecord, ProjectRecord
from .store import NAMES, Store
from .validation import Refused

_MISSING = "the file is gone from the store"
_DAMAGED = "the file no longer has the bytes that were published"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A file, and what became of it: `served` says whether installers get it."""

    filename: str
    what: str
    served: bool


def reconcile(store: Store) -> tuple[Finding, ...]:
    """What was found and done so that every file that is listed is there, and every sound file is listed."""
    there = {path.name for path in store.root.iterdir() if not path.name.startswith(".")}
    if store.read_only:
        return tuple(_seen(store, there))
    listed = _list_names(store)
    findings = [_no_record(path) for path in _others(store)]
    known: set[str] = set()
    for name in listed:
        try:
            record = store.project(name)
        except PublishError as err:
            findings.append(Finding(filename=store.record_file(name).name, what=str(err), served=False))
            continue
        for file in record.files if record else ():
            known.add(file.filename)
            # A withheld file that lies there is read again: somebody may have put the right one back.
            if (file.filename in there) != (file.withheld is None):
                findings += _judged(store, name, file)
    for filename in sorted(there - known):
        findings += _adopted(store, filename)
    return tuple(findings)


def _judged(store: Store, name: NormalizedName, file: FileRecord) -> Iterator[Finding]:
    """As `_judge`; on a disk without room nothing is noted, and what is there is served all the same."""
    try:
        yield from _judge(store, name, file)
    except OSError as err:
        if err.errno not in FULL:
            raise
        what = f"is not as its record says, which cannot be noted: {err.strerror}"
        yield Finding(filename=file.filename, what=what, served=False)


def _seen(store: Store, there: set[str]) -> Iterator[Finding]:
    """What is not in order in a store that is read-only, where nothing can be done about it."""
    known: set[str] = set()
    yield from map(_no_record, _others(store))
    for name in store.names():
        try:
            record = store.project(name)
        except PublishError as err:
            yield Finding(filename=store.record_file(name).name, what=str(err), served=False)
            continue
        for file in record.files if record else ():
            known.add(file.filename)
            # Looked for once more: it may have come since, with its record.
            if file.filename not in there and file.withheld is None and not store.file(file.filename).exists():
                yield Finding(filename=file.filename, what=_MISSING, served=False)
    for filename in sorted(there - known):
        what = "is not listed: it has no record, and the store is read-only"
        yield Finding(filename=filename, what=what, served=False)


def verify(store: Store, on_file: Callable[[str], None] = lambda filename: None) -> tuple[Finding, ...]:
    """Every file read again: what is damaged is withheld from then on, what is whole again is served again."""
    findings: list[Finding] = []
    for name in store.names():
        try:
            record = store.project(name)
        except PublishError:
            continue  # `reconcile` names it
        for file in record.files if record is not None else ():
            on_file(file.filename)
            findings += _look(store, name, file)
    return tuple(findings)


def _look(store: Store, name: NormalizedName, file: FileRecord) -> Iterator[Finding]:
    sound = whole(store.file(file.filename), file.sha256)
    if sound != (file.withheld is None):
        yield from _judge(store, name, file)
    elif not sound:
        yield Finding(filename=file.filename, what=f"still withheld: {file.withheld}", served=False)
    if sound:
        yield from _compare(store, name, file)
    # Other than metadata, signatures cannot be made anew from the file.
    if file.provenance_sha256 and not whole(store.provenance(file.filename), file.provenance_sha256):
        yield Finding(filename=file.filename, what="its provenance is damaged: restore it from a backup", served=True)


def _compare(store: Store, name: NormalizedName, file: FileRecord) -> Iterator[Finding]:
    """What a whole file says of itself is in its record and beside it: both can be made from it at any time."""
    path = store.file(file.filename)
    try:
        # `again`: its sha256 was found right a moment ago, and so RECORD's are.
        contents = store.verifier.verify(path, validation.parse(file.filename), again=True)
    except Refused as err:  # taken by an older index, which asked for less
        yield Finding(filename=file.filename, what=f"would not be taken today: {err}", served=True)
        return
    size = path.stat().st_size
    digest = hashlib.sha256(contents.metadata).hexdigest() if file.filename.endswith(".whl") else None
    python = contents.requires_python
    if (file.size, file.metadata_sha256, file.requires_python) != (size, digest, python):
        # The record is looked at once more under its lock: somebody may have changed it since it was read.
        def correct(record: ProjectRecord) -> ProjectRecord:
            known = record.find(file.filename)
            if known is None:
                return record
            return record.holding(replace(known, size=size, metadata_sha256=digest, requires_python=python))

        store.change(name, correct)
        yield Finding(filename=file.filename, what="its record said other things than it and is corrected", served=True)
    if digest is not None and not whole(store.metadata(file.filename), digest):
        store.write(store.metadata(file.filename), contents.metadata)
        store.touch(name)  # pages were made without it
        yield Finding(filename=file.filename, what="its metadata was damaged and is made anew", served=True)


def _judge(store: Store, name: NormalizedName, file: FileRecord) -> Iterator[Finding]:
    """The file is served if and only if it has the bytes that were published; nothing is found where it was so."""
    path = store.file(file.filename)
    found: list[Finding] = []

    def withhold(record: ProjectRecord) -> ProjectRecord:
        current = record.find(file.filename)
        if current is None:
            return record
        # Under the lock of the project: since it was listed, somebody may have published it, or brought its bytes back.
        reason = None if whole(path, current.sha256) else _DAMAGED if path.exists() else _MISSING
        if reason is not None or current.withheld is not None:
            what = reason or "the file is whole again"
            found.append(Finding(filename=file.filename, what=what, served=reason is None))
        return record.holding(replace(current, withheld=reason))

    store.change(name, withhold)
    yield from found


def _adopted(store: Store, filename: str) -> Iterator[Finding]:
    try:
        if store.adopt(filename):
            yield Finding(filename=filename, what="had no record, is sound, and is published now", served=True)
        # Else somebody has published it meanwhile, and there is nothing to say of it.
    except PublishError as err:  # not sound, or its project's record is damaged
        yield Finding(filename=filename, what=f"is not listed: {err}", served=False)


def _list_names(store: Store) -> Iterable[NormalizedName]:
    """Every project that has a record; the list of names is written anew when it has another opinion."""
    recorded = _recorded(store)
    # A writer that was killed between a record and the line for its name left the two apart.
    if recorded != set(store.names()):
        with store.turn(NAMES):
            # Once more: nobody adds a name from here on, but somebody may have, and this list takes the place of his.
            recorded = _recorded(store)
            store.write(store.names_file, "".join(f"{name}\n" for name in sorted(recorded)).encode())
    return sorted(recorded)


def _recorded(store: Store) -> set[NormalizedName]:
    return {name for path in _projects(store).iterdir() if (name := _name_of(path)) is not None}


def _others(store: Store) -> list[Path]:
    """What lies among the records and is none, because no project can be called so; hidden files are nobody's."""
    paths = sorted(path for path in _projects(store).iterdir() if _name_of(path) is None)
    return [path for path in paths if not path.name.startswith(".")]


def _no_record(path: Path) -> Finding:
    return Finding(
        filename=f"{path.name[:200]!a}", what="lies among the records, and is the record of no project", served=False
    )


def _name_of(path: Path) -> NormalizedName | None:
    return is_name(path.name.removesuffix(".json")) if path.name.endswith(".json") else None


def _projects(store: Store) -> Path:
    return store.records / "projects"
