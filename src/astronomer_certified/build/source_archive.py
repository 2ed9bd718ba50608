"""The archives that C libraries inside of wheels were made of -> one sdist, published beside the wheels.

Who gets a wheel with an LGPL library inside must be able to get that library's source, from the same place. It goes
there as every other file does, so that mirrors and exports have it, too. pip can fetch it; it installs nothing.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from astronomer_certified.effects.disk import atomic_file, digest, sha256_of
from astronomer_certified.native.records import LibrarySource, NativeLibrary

NAME = "astronomer-certified-sources"

_EPOCH = 315532800
_SUMMARY = "The sources of the C libraries inside of wheels of Astronomer Certified"
_PYPROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "{version}"
description = "{summary}"

[tool.setuptools]
packages = []
"""
_METADATA = """\
Metadata-Version: 2.2
Name: {name}
Version: {version}
Summary: {summary}
Description-Content-Type: text/markdown

# {summary}

Compiled wheels of Astronomer Certified hold these libraries inside, linked statically. Which of them a wheel holds, and
in which version, says the bill of materials in its `.dist-info/sboms`. Here are the archives that they were made of, as
Debian distributes them, our own patches, and the words that they were configured with (`native.toml`).

| library | version | licence | archive |
|---|---|---|---|
{rows}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """A library, the source that it was made of, and that one's files."""

    library: NativeLibrary
    source: LibrarySource
    files: tuple[Path, ...]


def archive(used: Iterable[Used], stated: Mapping[str, Path], folder: Path) -> Path:
    """The sdist (PEP 625) in `folder`; `stated` are files of the project by their path in it.

    Its version is made of what is inside: another content has another name. The same content has the same bytes.
    """
    listed = sorted(used, key=lambda item: item.library.name)
    files = {f"archives/{path.name}": path for item in listed for path in item.files} | dict(stated)
    version = f"1+h{digest(*(f'{name} {sha256_of(path)}' for name, path in sorted(files.items())))[:12]}"
    rows = "\n".join(
        f"| {item.library.name} | {item.source.version} | {item.library.licence} | {item.source.archive.filename} |"
        for item in listed
    )
    said = {"name": NAME, "version": version, "summary": _SUMMARY, "rows": rows}
    stem = f"{NAME.replace('-', '_')}-{version}"
    target = folder / f"{stem}.tar.gz"
    with (
        atomic_file(target) as beside,
        beside.open("wb") as stream,
        # Archives are compressed already.
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=stream, mtime=_EPOCH) as zipped,
        tarfile.TarFile(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, text in (("PKG-INFO", _METADATA), ("pyproject.toml", _PYPROJECT)):
            content = text.format(**said).encode()
            tar.addfile(_entry(f"{stem}/{name}", len(content)), io.BytesIO(content))
        for name, path in sorted(files.items()):
            with path.open("rb") as source:
                tar.addfile(_entry(f"{stem}/{name}", path.stat().st_size), source)
    return target


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = size, _EPOCH, 0o644
    return entry
