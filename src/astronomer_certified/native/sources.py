"""Pinned archives of C libraries -> files whose sha256 was checked -> a patched source folder.

They come from a folder that the operator names, or from the mirrors that the machine's own apt is told to use, by apt
itself: its proxies, credentials and certificates are heeded. No mirror is named here.
"""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path

from astronomer_certified.effects.disk import lock, put, sha256_of, temporary_beside
from astronomer_certified.effects.processes import clean_environment, run
from astronomer_certified.errors import ArchiveError, BuildError, CommandFailed, DigestMismatch, UpstreamError
from astronomer_certified.workspace import Workspace

from .records import Archive, LibrarySource, NativeLibrary

FOLDER_VARIABLE = "CERTIFIED_SOURCES_DIR"

_APT_HELPER = Path("/usr/lib/apt/apt-helper")
# apt-get update --print-uris: 'ADDRESS/dists/SUITE/InRelease' NAME SIZE
_RELEASE = re.compile(r"^'(?P<mirror>[^']+?)/+dists/[^']+/(?:InRelease|Release)'", re.MULTILINE)
# For who is root: apt's own user may not enter the cache. One more attempt each, as there are several mirrors.
_OPTIONS = ("-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=1")
_TIMEOUT = 900.0


def can_be_fetched(library: NativeLibrary, workspace: Workspace) -> bool:
    """Whether there is a way to a source of the library: apt, an operator's folder, or the cache has it already."""
    if os.environ.get(FOLDER_VARIABLE) or (_APT_HELPER.is_file() and shutil.which("apt-get")):
        return True
    cached = [
        all(workspace.cached(archive.sha256, archive.filename).is_file() for archive in source.archives)
        for source in library.sources
    ]
    return any(cached)


def fetch(library: NativeLibrary, workspace: Workspace) -> tuple[LibrarySource, tuple[Path, ...]]:
    """The first source of a library that can be had, and its files in the cache, in the order of `archives`.

    Raises `DigestMismatch`, and `UpstreamError` when none of them can be had.
    """
    tried: list[str] = []
    for source in library.sources:
        try:
            return source, tuple(fetch_archive(archive, workspace) for archive in source.archives)
        except DigestMismatch:
            raise
        except UpstreamError as err:
            tried += [f"{library.name} {source.version}: {err.what}", *(f"  {detail}" for detail in err.details)]
    files = [archive for source in library.sources[:1] for archive in source.archives]
    raise UpstreamError(
        f"no source of {library.name} can be had",
        details=tried,
        hint=f"put {' and '.join(file.filename for file in files)} into a folder, and name it in {FOLDER_VARIABLE}",
    )


def fetch_archive(archive: Archive, workspace: Workspace) -> Path:
    """The file in the cache, checked. Raises `DigestMismatch`, and `UpstreamError` when it cannot be had."""
    target = workspace.cached(archive.sha256, archive.filename)
    with lock(target.with_name(target.name + ".lock"), on_wait=lambda pid: None):
        if target.is_file():
            if sha256_of(target) == archive.sha256:
                return target
            target.unlink()  # bit rot in the cache: the name promises another content
        beside = temporary_beside(target)
        try:
            where = _given(archive, beside) or _from_a_mirror(archive, beside)
            if (actual := sha256_of(beside)) != archive.sha256:
                raise DigestMismatch(
                    f"{archive.filename} does not have the sha256 that this repository says",
                    details=[f"expected {archive.sha256}", f"got      {actual}", f"from     {where}"],
                    hint="do not use it: find out which of the two is wrong before you change constraints/native.toml",
                )
            put(beside, target)
        finally:
            beside.unlink(missing_ok=True)
    return target


def _given(archive: Archive, beside: Path) -> str | None:
    """A copy of the operator's own file is at `beside`; None where there is no such file."""
    if folder := os.environ.get(FOLDER_VARIABLE):
        own = Path(folder) / archive.filename
        if own.is_file():
            shutil.copyfile(own, beside)
            return str(own)
    return None


def _from_a_mirror(archive: Archive, beside: Path) -> str:
    """The file is at `beside`, as some mirror of this machine has it. Raises `UpstreamError`."""
    if not _APT_HELPER.is_file():
        raise UpstreamError(f"{archive.filename} is not here, and apt, which would fetch it, is not either")
    refused = []
    for mirror in _mirrors():
        try:
            # It may have left something of another attempt there.
            beside.unlink(missing_ok=True)
            address = f"{mirror}/{archive.path}"
            run([_APT_HELPER, *_OPTIONS, "download-file", address, beside], env=apt_environment(), timeout=_TIMEOUT)
        except CommandFailed as err:
            refused.append(err.details[-1] if err.details else err.what)
        else:
            return "a mirror of this machine's apt"
    raise UpstreamError(f"no mirror of this machine's apt has {archive.filename}", details=refused[-1:])


def _mirrors() -> Sequence[str]:
    """The roots of the mirrors that apt is told to use, in its order, each once."""
    told = run(["apt-get", "update", "--print-uris"], env=apt_environment(), timeout=_TIMEOUT, check=False).stdout
    return tuple(dict.fromkeys(match["mirror"] for match in _RELEASE.finditer(told)))


def apt_environment() -> dict[str, str]:
    """What apt may know: where its settings are is the operator's right (apt.conf(5))."""
    own = {name: os.environ[name] for name in ("APT_CONFIG",) if name in os.environ}
    return clean_environment(**own)


def unpack(library: NativeLibrary, source: LibrarySource, files: Sequence[Path], own: Path, scratch: Path) -> Path:
    """The patched source folder of a library, below `scratch`; `own` has the patches of this project.

    Raises `ArchiveError`, and `BuildError` for a patch that does not apply.
    """
    tree = _unpacked(files[0], scratch / "source", library.folder)
    patches = [own / name for name in library.own_patches]
    if source.patches:
        debian = _unpacked(files[1], scratch / "patches", "patches")
        patches = [*(debian / name for name in source.patches), *patches]
    for patch in patches:
        # Where a tree lies inside of a git repository, git apply would look for the files at that one's root.
        env = clean_environment(GIT_CEILING_DIRECTORIES=str(scratch))
        try:
            run(["git", "apply", "-p1", patch], cwd=tree, env=env)
        except CommandFailed as err:
            raise BuildError(
                f"{patch.name} does not apply to {library.name} {source.version}",
                details=err.details,
                hint="correct its patches in constraints/native.toml",
            ) from err
    return tree


def _unpacked(archive: Path, folder: Path, below: str) -> Path:
    """The one top folder of a tar file of any compression, or the folder `below` that: only that is unpacked."""
    folder.mkdir()
    try:
        with tarfile.open(archive) as tar:
            # PEP 706; Python 3.11 has it from 3.11.4 on. What is unpacked is pinned by its sha256 in any case.
            tar.extraction_filter = getattr(tarfile, "data_filter", _as_it_is)
            for member in tar:
                inner = member.name.removeprefix("./").split("/", 1)
                if len(inner) == 2 and (not below or inner[1] == below or inner[1].startswith(f"{below}/")):
                    tar.extract(member, folder)
    except (tarfile.TarError, EOFError, OSError) as err:
        if isinstance(err, OSError) and err.errno is not None:
            raise
        raise ArchiveError(f"{archive.name}: cannot be unpacked", details=[str(err)]) from err
    tops = list(folder.iterdir())
    if len(tops) != 1:
        raise ArchiveError(f"{archive.name}: must hold one top folder with {below or 'files'} in it")
    return tops[0] / below


def _as_it_is(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo:
    return member
