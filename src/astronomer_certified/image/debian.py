"""A Debian release and a CPython of this machine -> the files of a base image. Starts mmdebstrap; keeps what it makes.

A base is made once and kept by the digest of how it was made. The same recipe at another time gives another Debian, so
who wants the same image keeps the file.
"""

from __future__ import annotations

import contextlib
import io
import os
import platform
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from astronomer_certified.artifacts import Interpreter, Python
from astronomer_certified.effects.disk import atomic_file, digest, lock, sweep
from astronomer_certified.effects.processes import clean_environment, run
from astronomer_certified.errors import EnvironmentMissing
from astronomer_certified.pythons import interpreters

from .suites import Suite

_TIMEOUT = 1800.0

# Each is a shell command with the folder of the new system as $1, and makes two runs of a day the same: what tells
# where and when it was made, and bytecode, in which the order of sets is random. /proc is mounted, and another system.
_HOOKS = (
    'find "$1/usr" -xdev -name __pycache__ -prune -exec rm -rf {} +',
    'rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/var/cache/ldconfig/aux-cache "$1"/var/log/*',
    'rm -f "$1/etc/resolv.conf" "$1/etc/hostname" "$1/etc/machine-id" "$1/var/lib/dbus/machine-id"',
)
_WITHOUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*/LC_MESSAGES/*")
_KEPT = ("/usr/share/doc/*/copyright",)

# Parts of a CPython that no Airflow uses, or that are of the machine it comes from.
_NOT_OF_PYTHON = ("test", "idlelib", "tkinter", "turtledemo", "site-packages")


@contextlib.contextmanager
def alone(cache: Path, on_wait: Callable[[str], None]) -> Iterator[None]:
    """A block in which nobody else makes a base in that cache; what a killed run left there is gone. `on_wait` gets the
    process id of who makes one now."""
    with lock(cache / "bases" / "lock", on_wait):
        sweep(cache / "bases")
        yield


def system(suite: Suite, cache: Path, log: Path, epoch: int) -> Path:
    """The Debian release with the packages of its images, as a tar file in the cache. EnvironmentMissing without
    mmdebstrap."""
    recipe = digest(suite.name, str(epoch), *suite.of_own_base, *_HOOKS, *_WITHOUT, *_KEPT)
    target = cache / "bases" / f"{suite.name}-{recipe[:16]}.tar"
    if target.is_file():
        return target
    program = shutil.which("mmdebstrap")
    if program is None:
        raise EnvironmentMissing(
            "mmdebstrap, which makes the base of an image, is not here",
            hint="on Debian: apt-get install --no-install-recommends mmdebstrap; or name another base: --base",
        )
    hooks = [f"--customize-hook={hook}" for hook in _HOOKS]
    paths = [f"--dpkgopt=path-exclude={path}" for path in _WITHOUT]
    paths += [f"--dpkgopt=path-include={path}" for path in _KEPT]
    words = [program, "--variant=minbase", f"--include={','.join(suite.of_own_base)}", *paths, *hooks, suite.name]
    with atomic_file(target) as beside:
        env = clean_environment(SOURCE_DATE_EPOCH=str(epoch), DEBIAN_FRONTEND="noninteractive")
        # With the mirrors that this machine's apt has, or its own: no name of one stands here.
        run([*words, "--format=tar", beside], env=env, log=log, timeout=_TIMEOUT)
    return target


def python(wanted: Python, suite: Suite, cache: Path, epoch: int) -> Path:
    """A CPython of this machine, as a tar file of what belongs into /usr/local. EnvironmentMissing where there is none,
    or where it needs a newer C library than the Debian release has."""
    found = interpreters.require(wanted, f"an image with Python {wanted}")
    _check_libc(suite)
    prefix = Path(run([found.executable, "-I", "-c", "import sys; print(sys.base_prefix)"]).stdout.strip())
    recipe = digest(os.fspath(prefix), str(epoch), *_NOT_OF_PYTHON)
    target = cache / "bases" / f"cpython-{found.full_version}-{recipe[:16]}.tar"
    if target.is_file():
        return target
    with atomic_file(target) as beside, tarfile.TarFile(beside, "w", format=tarfile.GNU_FORMAT) as archive:
        for path in _files(prefix, found):
            _add(archive, prefix, path, epoch)
        link = tarfile.TarInfo("bin/python3")
        link.type, link.linkname, link.mtime = tarfile.SYMTYPE, f"python{wanted}", epoch
        archive.addfile(link)
    return target


def _check_libc(suite: Suite) -> None:
    # What was linked here needs the C library of here.
    name, version = platform.libc_ver()
    here = tuple(int(number) for number in version.split(".")[:2]) if name == "glibc" else ()
    if not here or here > suite.glibc:
        raise EnvironmentMissing(
            f"the CPython of this machine needs {name or 'another C library'} {version}, and {suite.name} has glibc "
            f"{'.'.join(map(str, suite.glibc))}",
            hint="take a newer suite, or name a base that has the Python: --base",
        )


def _files(prefix: Path, found: Interpreter) -> Iterator[Path]:
    """What of an interpreter's folder is part of it, in one order."""
    library = f"python{found.python}"
    yield prefix / "bin" / library
    for folder, names, files in os.walk(prefix / "lib" / library):
        here = Path(folder)
        inside = here.relative_to(prefix / "lib" / library)
        names[:] = sorted(name for name in names if (inside / name).as_posix() not in _NOT_OF_PYTHON and name not in
                          ("__pycache__", "tests") and not name.startswith("config-"))  # fmt: skip
        yield from (here / name for name in sorted(files))
    # Headers are for compilers, but `sysconfig` reads one of them.
    yield from sorted((prefix / "include").glob(f"{library}*/pyconfig.h"))
    yield from sorted((prefix / "lib").glob(f"libpython{found.python}*.so*"))


def _add(archive: tarfile.TarFile, prefix: Path, path: Path, epoch: int) -> None:
    member = archive.gettarinfo(path, path.relative_to(prefix).as_posix())
    member.mtime, member.uid, member.gid, member.uname, member.gname = epoch, 0, 0, "root", "root"
    member.mode = 0o755 if member.mode & 0o100 else 0o644
    with path.open("rb") if member.isreg() else io.BytesIO() as stream:
        archive.addfile(member, stream)
