"""constraints/native.toml -> the C libraries that compiled wheels hold inside."""

from __future__ import annotations

from pathlib import Path

from astronomer_certified.native.records import Archive, LibrarySource, NativeLibrary

from . import toml_reader as toml
from .toml_reader import Table


def load(path: Path) -> dict[str, NativeLibrary]:
    """The libraries by name. Raises `ManifestError` with every key that is not as docs/native.md says."""
    top = toml.load(path)
    libraries = {name: _library(name, top.table(name)) for name in top.names()}
    for library in libraries.values():
        for need in library.needs:
            if need not in libraries:
                top.problem(library.name, f"needs {need}, which is not in this file")
        if library.name in _reached(library, libraries):
            top.problem(library.name, "needs itself")
    top.close()
    top.problems.finish()
    return libraries


def _library(name: str, table: Table) -> NativeLibrary:
    stated = [_source(item) for item in table.tables("sources")]
    if not stated:
        table.problem("sources", "at least one is needed")
    library = NativeLibrary(
        name=name,
        why=table.get("why", toml.text, default=""),
        licence=table.get("licence", toml.text, default=""),
        licence_files=table.each("licence-files", toml.inner_path),
        needs=table.each("needs", toml.text, optional=True),
        programs=table.each("programs", toml.file_name, optional=True),
        folder=table.get("folder", toml.inner_path, default="", optional=True),
        own_patches=table.each("own-patches", toml.file_name, optional=True),
        commands=table.each("commands", toml.text),
        links=table.each("links", toml.text),
        system_links=table.each("system-links", toml.text, optional=True),
        include=table.get("include", toml.inner_path, default="", optional=True),
        config_program=table.get("config-program", toml.file_name, default="", optional=True),
        config_version=table.get("config-version", toml.text, default="", optional=True),
        sources=tuple(stated),
    )
    table.close()
    return library


def _source(table: Table) -> LibrarySource:
    patches = table.each("patches", toml.inner_path, optional=True)
    archive = Archive(
        path=table.get("file", toml.inner_path, default=""), sha256=table.get("sha256", toml.sha256, default="")
    )
    patches_path = table.get("patches-file", toml.inner_path, default="", optional=True)
    patches_sha256 = table.get("patches-sha256", toml.sha256, default="", optional=True)
    if bool(patches_path) != bool(patches) or bool(patches_path) != bool(patches_sha256):
        table.problem("patches", "patches, patches-file and patches-sha256 are stated together")
    source = LibrarySource(
        version=table.get("version", toml.text, default=""),
        archive=archive,
        patches_archive=Archive(path=patches_path, sha256=patches_sha256) if patches_path else None,
        patches=patches,
    )
    table.close()
    return source


def _reached(library: NativeLibrary, libraries: dict[str, NativeLibrary]) -> set[str]:
    """The names of all that a library needs, at any depth."""
    found: set[str] = set()
    ahead = list(library.needs)
    while ahead:
        name = ahead.pop()
        if name not in found and name in libraries:
            found.add(name)
            ahead += libraries[name].needs
    return found
