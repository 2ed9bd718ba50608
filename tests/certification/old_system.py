"""A Python that runs on the C library of Debian 11 (glibc 2.31), made of this machine's own Python.

This machine's interpreters want the glibc that they were compiled with, so a wheel that needs a newer one than it says
would load in them all the same. CPython installs itself as a static library, too: linked for glibc 2.31 and started by
the loader of Debian 11, it sees nothing of this machine's glibc. A wheel that wanted more would not load there.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from astronomer_certified.artifacts import Interpreter
from astronomer_certified.effects.processes import clean_environment, run
from astronomer_certified.native import compilers, sources
from astronomer_certified.native.records import Archive
from astronomer_certified.workspace import Workspace

# Of Debian 11's main archive, as its last point release left it.
_PACKAGES = (
    Archive(
        path="pool/main/g/glibc/libc6_2.31-13+deb11u11_amd64.deb",
        sha256="05f7264da867b37f4c5ce49266b558ea1e81e05a9464f623152fca70f3550282",
    ),
)
_GLIBC = "2.31"
_LOADER = "lib/x86_64-linux-gnu/ld-2.31.so"


@dataclass(frozen=True, slots=True)
class OldPython:
    """An interpreter on the older C library, with some packages to import."""

    program: tuple[str | Path, ...]
    home: Path
    packages: Path

    def runs(self, script: str, *, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        """The script, run to its end, with nothing in its environment but what it needs."""
        env = {"PYTHONHOME": str(self.home), "PYTHONPATH": str(self.packages), "PATH": "/usr/bin:/bin", **variables}
        done = subprocess.run(
            [*self.program, "-B", "-c", script], env=env, capture_output=True, text=True, check=False, timeout=60
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done


def libraries(workspace: Workspace, folder: Path) -> Path:
    """The folder, in which the files of Debian 11's C library are now."""
    for archive in _PACKAGES:
        package = sources.fetch_archive(archive, workspace)
        run(["dpkg-deb", "--extract", package, folder])
    return folder


def python(interpreter: Interpreter, system: Path, packages: Path, workspace: Workspace, scratch: Path) -> OldPython:
    """The interpreter, linked anew for that C library."""
    asked = "import sys, sysconfig as s; print(sys.base_prefix, s.get_config_var('LIBPL'), s.get_config_var('LIBRARY'))"
    home, folder, library = run([interpreter.executable, "-I", "-c", asked]).stdout.split()
    tools = compilers.prepare(workspace.compilers, workspace)
    variables = tools.variables(scratch, scratch) | {"CERTIFIED_TARGET": f"x86_64-linux-gnu.{_GLIBC}"}
    made = scratch / f"python{interpreter.python}"
    whole = ["-Wl,--whole-archive", f"{folder}/{library}", "-Wl,--no-whole-archive"]
    words = ["cc", "-rdynamic", f"{folder}/python.o", *whole, "-lpthread", "-ldl", "-lutil", "-lm", "-lrt", "-o", made]
    run(words, env=clean_environment(**variables))
    paths = ":".join(f"{system}/{place}/x86_64-linux-gnu" for place in ("lib", "usr/lib"))
    return OldPython((system / _LOADER, "--library-path", paths, made), Path(home), packages)


def unpacked(wheels: list[Path], folder: Path) -> Path:
    """The folder, in which the files of those wheels are now."""
    for wheel in wheels:
        shutil.unpack_archive(wheel, folder, "zip")
    return folder
