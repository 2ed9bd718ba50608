"""Tiny real things: sdists, wheels, patches, manifests. Each is whole; a test names only what it is about."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from astronomer_certified.artifacts import (
    MACHINES,
    CommandLine,
    Constraints,
    Distribution,
    Manifest,
    Pin,
    PinnedFile,
    Python,
    Release,
    Stamp,
    Target,
    UpstreamFile,
)
from astronomer_certified.certify.certificate import FORMAT, Certificate, HashedFile, MadeWheel, PatchedWheel, Proofs
from astronomer_certified.workspace import Workspace

ROOT = Path(__file__).parents[2]
UPLOADED = datetime(2021, 5, 21, 12, 48, 9, tzinfo=UTC)
EPOCH = int(UPLOADED.timestamp())

# --- archives


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One member of an archive, as hostile as it likes."""

    name: str
    content: bytes = b""
    type: bytes = tarfile.REGTYPE
    link: str = ""
    mode: int = 0o644


def file(name: str, content: bytes = b"x\n", mode: int = 0o644) -> Entry:
    return Entry(name=name, content=content, mode=mode)


def folder(name: str) -> Entry:
    return Entry(name=name, type=tarfile.DIRTYPE, mode=0o755)


def symlink(name: str, link: str) -> Entry:
    return Entry(name=name, type=tarfile.SYMTYPE, link=link)


def hardlink(name: str, link: str) -> Entry:
    return Entry(name=name, type=tarfile.LNKTYPE, link=link)


def tar_gz(target: Path, entries: Iterable[Entry]) -> Path:
    """A .tar.gz with exactly these members, in this order."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target, "w:gz", compresslevel=1) as tar:
        for entry in entries:
            member = tarfile.TarInfo(entry.name)
            member.type, member.linkname, member.mode = entry.type, entry.link, entry.mode
            member.size = len(entry.content)
            tar.addfile(member, io.BytesIO(entry.content))
    return target


def zipped(target: Path, entries: Iterable[Entry]) -> Path:
    """A zip with exactly these members; an entry's link is the content of a symbolic link."""
    kinds = {
        tarfile.REGTYPE: 0o100000,
        tarfile.SYMTYPE: 0o120000,
        tarfile.FIFOTYPE: 0o010000,
        tarfile.DIRTYPE: 0o040000,
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in entries:
            info = zipfile.ZipInfo(f"{entry.name}/" if entry.type == tarfile.DIRTYPE else entry.name)
            info.external_attr = (kinds[entry.type] | entry.mode) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, entry.link or entry.content)
    return target


def sdist(target: Path, files: Mapping[str, str | bytes]) -> Path:
    """An sdist named like demo-1.0.tar.gz with these files below its top folder."""
    top = target.name.removesuffix(".tar.gz")
    return tar_gz(target, [file(f"{top}/{name}", as_bytes(content)) for name, content in files.items()])


def wheel(target: Path, files: Mapping[str, str | bytes]) -> Path:
    """A wheel file with these members and a METADATA and WHEEL of its own, if they are not among them."""
    project, version = target.name.split("-")[:2]
    info = f"{project}-{version}.dist-info"
    whole = {
        **files,
        f"{info}/METADATA": files.get(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n"
        ),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tiny\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    return zipped(target, [file(name, as_bytes(content)) for name, content in whole.items()])


def as_bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by relative path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write_tree(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_bytes(content))
    return folder


# --- patches

FIELDS = {
    "Description": "Fix the demo\n It was broken.",
    "Author": "A Person <person@example.invalid>",
    "Origin": "vendor",
    "Bug": "demo#1",
    "Last-Update": "2026-11-22",
    "Proof": "test_demo.py",
}


def patch(diff: str | bytes, **fields: str | None) -> bytes:
    """A patch file: a whole DEP-3 header (a field that is None is left out; `_` stands for `-`), then the diff."""
    merged = {**FIELDS, **{name.replace("_", "-"): value for name, value in fields.items()}}
    header = "".join(f"{name}: {value}\n" for name, value in merged.items() if value is not None)
    return header.encode() + b"---\n" + as_bytes(diff)


def diff_of(before: Mapping[str, str | bytes], after: Mapping[str, str | bytes], scratch: Path, *options: str) -> bytes:
    """What `git diff` says of two trees, renames and modes included."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(scratch), "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*words: str) -> bytes:
        return subprocess.run(
            ["git", *words], cwd=repository, env=environment, check=True, stdout=subprocess.PIPE
        ).stdout

    repository = scratch / "repository"
    repository.mkdir(parents=True)
    git("init", "--quiet")
    write_tree(repository, before)
    git("add", "--all")
    tree_before = git("write-tree").decode().strip()
    for name in before:
        (repository / name).unlink()
    write_tree(repository, after)
    git("add", "--all")
    return git("diff", "--cached", "--find-renames", *options, tree_before)


def series(folder: Path, patches: Mapping[str, bytes]) -> Path:
    """A patch folder: the patches and a series that lists them in this order."""
    write_tree(folder, patches)
    (folder / "series").write_text("".join(f"{name}\n" for name in patches))
    return folder


# --- records


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pinned(path: Path, project: str = "demo") -> PinnedFile:
    return PinnedFile(project=canonicalize_name(project), filename=path.name, sha256=digest(path))


def upstream_file(path: Path) -> UpstreamFile:
    return UpstreamFile(pinned=pinned(path), path=path)


def distribution(**changes: Any) -> Distribution:
    """demo 1.0+astro.1, built from an sdist whose setup.py holds its version."""
    nothing = PinnedFile(project=canonicalize_name("demo"), filename="demo-1.0.tar.gz", sha256="0" * 64)
    whole = Distribution(
        name=canonicalize_name("demo"),
        release=Release(Version("1.0"), 1),
        kind="sdist",
        source=nothing,
        upstream_wheel=replace(nothing, filename="demo-1.0-py3-none-any.whl"),
        uploaded=UPLOADED,
        build_pythons=SpecifierSet(">=3.6"),
        build_requires=(Requirement("setuptools<58"),),
        stamp=Stamp(file="setup.py", line="version = '1.0'"),
        restore=(),
        folder=Path("patches/demo/1.0"),
    )
    return replace(whole, **changes)


def manifest(**changes: Any) -> Manifest:
    """apache-airflow 2.1.0-4 for three Pythons, with two extras; one has a dot in its name."""
    core = distribution(
        name=canonicalize_name("apache-airflow"),
        release=Release(Version("2.1.0"), 4),
        stamp=Stamp(file="setup.py", line="version = '2.1.0'"),
    )
    whole = Manifest(
        path=Path("patches/2.1.0/release.toml"),
        core=core,
        repairs=(),
        pythons=(Python(3, 6), Python(3, 7), Python(3, 8)),
        listed=datetime(2026, 1, 1, tzinfo=UTC),
        cutoff=datetime(2021, 5, 28, tzinfo=UTC),
        providers={},
        documented_providers={},
        left_out={},
        no_longer_fixed={},
        extras=("celery", "cncf.kubernetes"),
        extra_requirements={},
        default_extras=frozenset({"celery", "cncf.kubernetes"}),
        overrides=(),
        later={},
        preferences={},
        machines=MACHINES[:1],
        first_patch={},
        command_line=CommandLine.GROUPED,
        pips={Python(3, 8): Version("23.3.2")},
        target=Target(python=Python(3, 8), extras=("celery",)),
    )
    return replace(whole, **changes)


def constraints(python: str, core: Mapping[str, str], **extras: Mapping[str, str]) -> Constraints:
    """Pins of the core and of what each extra adds (`cncf_kubernetes` is `cncf.kubernetes`)."""
    everything = {**core, **{name: version for pins in extras.values() for name, version in pins.items()}}
    return Constraints(
        python=Python.parse(python),
        pins={
            canonicalize_name(name): Pin(
                name=canonicalize_name(name), version=Version(version), sha256=frozenset({"0" * 64})
            )
            for name, version in sorted(everything.items())
        },
        core=frozenset(canonicalize_name(name) for name in core),
        extras={
            extra.replace("_", "."): frozenset(canonicalize_name(name) for name in (*core, *pins))
            for extra, pins in extras.items()
        },
    )


def workspace(root: Path) -> Workspace:
    root.mkdir(parents=True, exist_ok=True)
    return Workspace(root=root, build=root / "build", dist=root / "dist", index=root / "index", cache=root / "cache")


def certificate(*, patches: tuple[str, ...] = (), **values: Any) -> Certificate:
    """A certificate of 2.1.0-4; `values` replace what it says."""
    made = MadeWheel(file="astronomer_certified-2.1.0.post4-py3-none-any.whl", sha256="b" * 64, size=10)
    core = PatchedWheel(
        distribution="apache-airflow", file="apache_airflow-2.1.0+astro.4-py3-none-any.whl", sha256="a" * 64, size=20,
        built_with="3.11.7", patches=patches, offsets=(), restored=(), wheel_diff=(),
    )  # fmt: skip
    whole: dict[str, Any] = {
        "format": FORMAT,
        "release": "2.1.0-4",
        "source": HashedFile(file="apache-airflow-2.1.0.tar.gz", sha256="c" * 64),
        "inputs": {},
        "patched_wheels": (core,),
        "certified_wheel": made,
        "wheelhouse": (),
        "installs": (),
        "installers": (),
        "levels": (),
        "proofs": Proofs(python="3.8.18", results=()),
        "not_done": (),
    }
    return Certificate(**{**whole, **values})
