"""An sdist -> its PKG-INFO, when it is one folder NAME-VERSION and nothing leads out of it. Only reads.

pip up to 23.2 unpacked links as they came, and wrote through them outside of its folder (CVE-2023-5752 had friends);
newer ones follow PEP 706. What either refuses, or would mend silently, is refused here.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Mapping
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from astronomer_certified.index.store.validation import ClaimedFile

from . import build_files
from .members import Paths, Unsound, is_utf8, refuse
from .tars import check_structure
from .wheels import METADATA_BYTES

# The files of an sdist's folder that are read here, and how many bytes they may have.
_READ = {"PKG-INFO": METADATA_BYTES, "pyproject.toml": build_files.MOST_BYTES}


def sdist_metadata(path: Path, claimed: ClaimedFile) -> bytes:
    """The bytes of an sdist's PKG-INFO (PEP 625, PEP 643). Raises `Unsound` unless it is one folder that keeps within
    itself."""
    expected = check_structure(path)
    seen = 0
    paths = Paths()
    members: dict[str, tarfile.TarInfo] = {}
    found: dict[str, bytes] = {}
    with tarfile.open(path, "r:gz") as archive:
        # Everything in one pass: going back in a gzip file unpacks it again from its start. Which of several PKG-INFO
        # is the right one is known at the end.
        for seen, member in enumerate(archive, 1):  # noqa: B007
            paths.add(member.name, folder=member.isdir())
            _check_hard_link(member, members)
            folder, _, name = member.name.partition("/")
            if folder and name in _READ:
                found[member.name] = _read(archive, member, _READ[name])
            members[member.name] = member
    paths.close()
    # Two parsers have read it, `tars` and tarfile. Where they count differently, so may installers.
    if seen != expected:
        raise Unsound("it has members that tarfile does not find")
    folder = _folder(members, claimed)
    _check_links(members)
    if f"{folder}/PKG-INFO" not in found:
        raise Unsound(f"no {folder}/PKG-INFO in it")
    if f"{folder}/pyproject.toml" in found:
        build_files.check_pyproject(found[f"{folder}/pyproject.toml"])
    elif f"{folder}/setup.py" not in members or members[f"{folder}/setup.py"].isdir():
        raise Unsound("it has neither pyproject.toml nor setup.py: nobody could build it")
    return found[f"{folder}/PKG-INFO"]


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo, most: int) -> bytes:
    if not member.isfile():
        raise refuse(member.name, "is not a file")
    if member.size > most:
        raise refuse(member.name, f"has more than {most} bytes")
    stream = archive.extractfile(member)
    return b"" if stream is None else stream.read(most)


def _check_hard_link(member: tarfile.TarInfo, before: Mapping[str, tarfile.TarInfo]) -> None:
    if member.islnk():
        meant = before.get(member.linkname)
        # A second name of a file that came before, as tar writes it; of a link it would be written through.
        if meant is None or not (meant.isfile() or meant.islnk()):
            raise refuse(member.name, f"is a hard link to {member.linkname[:255]!a}, which is no file before it")


def _folder(members: Mapping[str, tarfile.TarInfo], claimed: ClaimedFile) -> str:
    folders = sorted({name.split("/", 1)[0] for name in members})
    if len(folders) != 1:
        raise Unsound(f"an sdist holds one folder, this one {len(folders)}", details=map(ascii, folders[:10]))
    [folder] = folders
    if not _names(folder, claimed):
        raise refuse(folder, f"is its folder, which must be called {claimed.project}-{claimed.version}")
    return folder


def _names(folder: str, claimed: ClaimedFile) -> bool:
    """Whether a folder is called NAME-VERSION, in any spelling of both; names and versions may hold hyphens."""
    pieces = folder.split("-")
    # Each cut parses a name and a version; a folder of hyphens could have hundreds.
    for cut in range(1, min(len(pieces), 20)):
        name, version = "-".join(pieces[:cut]), "-".join(pieces[cut:])
        try:
            if canonicalize_name(name) == claimed.project and Version(version) == claimed.version:
                return True
        except InvalidVersion:
            continue
    return False


def _check_links(members: Mapping[str, tarfile.TarInfo]) -> None:
    """No link leads out of the folder, and nothing is written or found through another link."""
    # Once all members are known: a link may come before or after what would be written through it.
    links = {name for name, member in members.items() if member.issym()}
    for name, member in members.items():
        parts = name.split("/")
        above = (
            next((up for n in range(1, len(parts)) if (up := "/".join(parts[:n])) in links), None) if links else None
        )
        if above is not None:
            raise refuse(name, f"would be written through the link {above[:255]!a}")
        if member.issym():
            _check_link(name, member.linkname, links)


def _check_link(name: str, target: str, links: set[str]) -> None:
    if not is_utf8(target):
        raise refuse(name, "is a link to a name that is not UTF-8")
    # A backslash separates on Windows; a reader in C ends the name at a NUL.
    if target.startswith("/") or "\\" in target or "\0" in target or not target:
        raise refuse(name, f"is a link to {target[:255]!a}, outside of its folder")
    # Step by step and not by normpath, which takes `x/..` away though `x` may be a link.
    here = posixpath.dirname(name).split("/")
    steps = target.split("/")
    for number, step in enumerate(steps, 1):
        if step == "..":
            here = here[:-1]
        elif step not in ("", "."):
            here = [*here, step]
        if not here or here == [""]:
            raise refuse(name, f"is a link to {target[:255]!a}, outside of its folder")
        # `..` of a link's target is above that, not above the link: readers and file systems need not agree.
        if number < len(steps) and "/".join(here) in links:
            raise refuse(name, f"is a link to {target[:255]!a}, through another link")
