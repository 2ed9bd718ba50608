"""Records and compilers -> static libraries in the cache, each made once for each content of all that it is made of."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from astronomer_certified.effects.disk import atomic_folder, digest, lock, scratch_folder, sha256_of, sweep
from astronomer_certified.effects.processes import clean_environment, run
from astronomer_certified.errors import BuildError, CommandFailed
from astronomer_certified.workspace import Workspace

from . import compilers, sources
from .records import LibrarySource, NativeLibrary, with_needs

# Of a library's installation nothing but what links it is kept.
_KEPT = ("usr/lib", "usr/include")
_TIMEOUT = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltLibrary:
    """A library in the cache: `folder` has usr/lib, usr/include and licences/. `key` is of all that it is made of."""

    library: NativeLibrary
    source: LibrarySource
    folder: Path
    key: str

    @property
    def compile_words(self) -> tuple[str, ...]:
        """The words of a compiler that finds its headers."""
        include = self.folder / "usr" / "include"
        inner = [include / self.library.include] if self.library.include else []
        return tuple(f"-I{path}" for path in (*inner, include))

    @property
    def link_words(self) -> tuple[str, ...]:
        """The words of a linker that take it and what it needs of the system."""
        names = (*self.library.links, *self.library.system_links)
        return (f"-L{self.folder / 'usr' / 'lib'}", *(f"-l{name}" for name in names))

    @property
    def licences(self) -> dict[str, bytes]:
        """The texts of its licences by file name."""
        return {path.name: path.read_bytes() for path in sorted((self.folder / "licences").iterdir())}


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundry:
    """What libraries are made with, where, and for which machine. `code` is the digest of the code that makes them."""

    workspace: Workspace
    requirements: Path
    libraries: Mapping[str, NativeLibrary]
    own_patches: Path
    logs: Path
    jobs: int
    code: str
    machine: str

    def make(self, names: Iterable[str], told: Callable[[str], None]) -> dict[str, BuiltLibrary]:
        """Those libraries and what they need, by name; `told` gets the title of each before it is made.

        Raises `BuildError`, `UpstreamError`, `DigestMismatch`, `EnvironmentMissing`.
        """
        built: dict[str, BuiltLibrary] = {}
        for library in with_needs(names, self.libraries):
            source, files = sources.fetch(library, self.workspace)
            needs = [built[name] for name in library.needs]
            key = self._key(library, source, [need.key for need in needs])
            folder = self.workspace.cached_library(key)
            # By its name, so that what a killed run left of the same library can be told from what somebody works in.
            with lock(folder.with_name(f"{library.name}.lock"), on_wait=lambda pid: None):
                if not folder.is_dir():
                    told(f"{library.name} {source.version} for {self.machine}")
                    sweep(folder.parent, library.name)
                    sweep(folder.parent, key)
                    self._make(library, source, files, needs, folder)
            built[library.name] = BuiltLibrary(library=library, source=source, folder=folder, key=key)
        return built

    def planned_keys(self, names: Iterable[str]) -> tuple[str, ...]:
        """The keys that those libraries and what they need have when each is made of its first source: no file is
        fetched for it."""
        keys: dict[str, str] = {}
        for library in with_needs(names, self.libraries):
            keys[library.name] = self._key(library, library.sources[0], [keys[name] for name in library.needs])
        return tuple(keys.values())

    @property
    def compilers_key(self) -> str:
        """The digest of all that decides what the compilers make of a source."""
        return compilers.key_of(self.requirements, self.machine)

    def prepared(self) -> compilers.Compilers:
        """The compilers, ready to be called. Raises `EnvironmentMissing`, `UpstreamError`."""
        return compilers.prepare(self.requirements, self.workspace, self.machine)

    def _key(self, library: NativeLibrary, source: LibrarySource, needs: Sequence[str]) -> str:
        patches = [sha256_of(self.own_patches / name) for name in library.own_patches]
        # Its record as text: whichever word of it changes, the library is another one. But not by why it is there.
        stated = repr((replace(library, why="", sources=()), source))
        return digest(stated, *needs, *patches, self.compilers_key, self.code)

    def _make(
        self, library: NativeLibrary, source: LibrarySource, files: tuple[Path, ...],
        needs: Sequence[BuiltLibrary], folder: Path,
    ) -> None:  # fmt: skip
        with scratch_folder(folder.parent, library.name) as scratch:
            tree = sources.unpack(library, source, files, self.own_patches, scratch)
            out = scratch / "out"
            out.mkdir()
            env = self._environment(self.prepared(), needs, scratch, out)
            for command in library.commands:
                self._run(library, command, tree, env)
            with atomic_folder(folder) as beside:
                for part in _KEPT:
                    if (out / part).is_dir():
                        shutil.copytree(out / part, beside / part, symlinks=True)
                _only_static(beside)
                (beside / "licences").mkdir()
                for name in library.licence_files:
                    shutil.copyfile(tree / name, beside / "licences" / Path(name).name)

    def _environment(
        self, tools: compilers.Compilers, needs: Sequence[BuiltLibrary], scratch: Path, out: Path
    ) -> dict[str, str]:
        variables = tools.variables(scratch, scratch.parent)
        # As OPENSSL or CYRUS_SASL: the folder that a library's include and lib are in.
        variables |= {need.library.name.replace("-", "_").upper(): str(need.folder / "usr") for need in needs}
        variables |= {
            "OUT": str(out),
            "JOBS": str(self.jobs),
            # Some write the time of the build into what they make.
            "SOURCE_DATE_EPOCH": "315532800",
            "CPPFLAGS": " ".join(word for need in needs for word in need.compile_words),
            "LDFLAGS": " ".join(f"-L{need.folder / 'usr' / 'lib'}" for need in needs),
        }
        return clean_environment(**variables)

    def _run(self, library: NativeLibrary, command: str, tree: Path, env: Mapping[str, str]) -> None:
        log = self.logs / f"{library.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            run(["sh", "-eu", "-c", command], cwd=tree, env=env, log=log, timeout=_TIMEOUT)
        except CommandFailed as err:
            raise BuildError(
                f"the C library {library.name} could not be made", details=err.details, hint=err.hint
            ) from err


def _only_static(folder: Path) -> None:
    """Shared libraries and what names folders of the build are taken away: nothing must link to them by accident."""
    for path in (folder / "usr" / "lib").rglob("*"):
        unwanted = path.suffix == ".la" or ".so" in path.suffixes
        if path.is_symlink() or (path.is_file() and unwanted):
            path.unlink()
        elif path.name in ("pkgconfig", "cmake") and path.is_dir():
            shutil.rmtree(path)
