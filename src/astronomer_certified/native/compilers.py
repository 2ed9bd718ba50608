"""Hashed requirements -> a C compiler whose products run on glibc 2.17 and later, whatever this machine has.

zig brings clang, a linker, and the headers and symbols of every glibc. It is called by small scripts under the names
that build systems look for.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from astronomer_certified.artifacts import MACHINES, Interpreter, Python
from astronomer_certified.effects.disk import digest, lock, write_atomic
from astronomer_certified.effects.processes import clean_environment, run
from astronomer_certified.errors import CertifiedError, CommandFailed, EnvironmentMissing
from astronomer_certified.pythons import environments
from astronomer_certified.workspace import Workspace

# manylinux2014 (PEP 599): the oldest that pips of the era know, and what RHEL 7 has.
GLIBC = "2.17"

# distutils calls the C compiler for sources in C++ as well, as gcc takes them. Debug information and paths of folders
# would differ from machine to machine; a path to look for libraries would let somebody else's be loaded; an extension
# finds Python in the process that loads it.
_COMPILE = """\
#!/bin/sh
left=$#
shared=
language={language}
while [ "$left" -gt 0 ]; do
    word=$1
    shift
    left=$((left - 1))
    case $word in
    -g | -g[0-9]* | -ggdb* | -lpython3* | -Wl,-rpath* | -Wl,-R* | -R/*) continue ;;
    -shared) shared=yes ;;
    *.cpp | *.cc | *.cxx) language=c++ ;;
    esac
    set -- "$@" "$word"
done
if [ -n "$shared" ] && [ -n "$CERTIFIED_EXTENSION" ]; then
    set -- "$@" -Wl,--version-script="$TOOLS/exports" -Wl,--gc-sections -s
fi
exec "$CERTIFIED_ZIG" "$language" -target "$CERTIFIED_TARGET" -fno-sanitize=undefined -Wno-date-time -g0 -fPIC \\
    -ffunction-sections -fdata-sections -ffile-prefix-map="$CERTIFIED_SCRATCH"=/build \\
    -ffile-prefix-map="$CERTIFIED_LIBRARIES"=/libraries -idirafter "$TOOLS/include" "$@"
"""
_AS_IT_IS = '#!/bin/sh\nexec "$CERTIFIED_ZIG" {word} "$@"\n'
# What a build makes to run it itself, which the processor that it builds for may not be.
_COMPILE_TO_RUN = '#!/bin/sh\nexec "$CERTIFIED_ZIG" cc -g0 "$@"\n'
_SCRIPTS = {
    **{name: _COMPILE.replace("{language}", "cc") for name in ("cc", "gcc")},
    **{name: _COMPILE.replace("{language}", "c++") for name in ("c++", "g++")},
    **{name: _AS_IT_IS.replace("{word}", name) for name in ("ar", "ranlib")},
    "cc-to-run": _COMPILE_TO_RUN,
    "cmake": '#!/bin/sh\nexec "$CERTIFIED_CMAKE" "$@"\n',
}

# What an extension exports beside its init function could be taken for another's of the same name: two OpenSSLs in one
# process, for example.
_EXPORTS = "{ global: PyInit_*; local: *; };\n"

# What a configure script finds out by running a program that it compiled, which it cannot for another processor: the
# answers of glibc, and of MIT Kerberos for SPNEGO. autoconf reads them from the file that CONFIG_SITE names.
_ANSWERS = """\
ac_cv_func_regcomp=yes
ac_cv_gssapi_supports_spnego=yes
ac_cv_func_memcmp_working=yes
ac_cv_printf_positional=yes
krb5_cv_attr_constructor_destructor=yes,yes
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compilers:
    """The tools, ready to be called. `machine` is the one that they compile for."""

    folder: Path
    machine: str

    def variables(self, scratch: Path, libraries: Path) -> dict[str, str]:
        """What a build must find in its environment, with the folders whose paths must not get into machine code."""
        tools = self.folder / "tools"
        packages = _packages(self.folder)
        return {
            "PATH": f"{tools}:{os.environ.get('PATH', os.defpath)}",
            "TOOLS": str(tools),
            "MACHINE": self.machine,
            "CERTIFIED_ZIG": str(packages / "ziglang" / "zig"),
            "CERTIFIED_CMAKE": str(packages / "cmake" / "data" / "bin" / "cmake"),
            "CERTIFIED_TARGET": f"{self.machine}-linux-gnu.{GLIBC}",
            "CERTIFIED_SCRATCH": str(scratch),
            "CERTIFIED_LIBRARIES": str(libraries),
            # Set to link an extension module: it exports nothing but its init function.
            "CERTIFIED_EXTENSION": "",
            # What is compiled once for every program (startup code, the C++ library) is kept, the rest is not.
            "ZIG_GLOBAL_CACHE_DIR": str(self.folder / "zig"),
            "ZIG_LOCAL_CACHE_DIR": str(scratch / "zig"),
            "CC": "cc",
            "CXX": "c++",
            "AR": "ar",
            "RANLIB": "ranlib",
            "LDSHARED": "cc -shared",
            "CC_FOR_BUILD": "cc-to-run",
            "CONFIG_SITE": "" if is_this(self.machine) else str(tools / "answers"),
            "CFLAGS": "-O2 -std=gnu17 -w",
            "CXXFLAGS": "-O2 -w",
            # A setting of whoever runs this must not get in.
            **dict.fromkeys(("CPPFLAGS", "LDFLAGS", "LIBS", "MAKEFLAGS", "CDPATH", "PKG_CONFIG_PATH"), ""),
        }


def is_this(machine: str) -> bool:
    """Whether programs for that machine run here."""
    return machine == platform.machine()


def prepare(requirements: Path, workspace: Workspace, machine: str) -> Compilers:
    """The tools are in the cache, made once for each content of `requirements`; they compile for `machine`.

    Raises `EnvironmentMissing` on a machine that they do not run on, `UpstreamError` when they cannot be had.
    """
    if (why := unusable()) is not None:
        raise EnvironmentMissing(why, hint="compiled wheels are made on Linux on x86-64 or ARM with glibc")
    # The same for whatever they compile.
    folder = workspace.cache / "compilers" / key_of(requirements, platform.machine())[:16]
    with lock(folder.with_name(f"{folder.name}.lock"), on_wait=lambda pid: None):
        if not (folder / "ready").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder, requirements)
            write_atomic(folder / "ready", b"")
    return Compilers(folder=folder, machine=machine)


def key_of(requirements: Path, machine: str) -> str:
    """The digest of all that decides what the tools make of a source for that machine; they need not be there."""
    scripts = "".join(f"{name}\n{script}" for name, script in sorted(_SCRIPTS.items()))
    return digest(requirements.read_bytes(), scripts, _EXPORTS, _ANSWERS, machine)


def unusable() -> str | None:
    """Why zig cannot run on this machine; None where it can."""
    if sys.platform != "linux" or platform.machine() not in MACHINES:
        return f"zig, the compiler of the wheels, is not used on {sys.platform} on {platform.machine()}"
    return None


def _make(folder: Path, requirements: Path) -> None:
    version = sys.version_info
    own = Interpreter(
        python=Python(version.major, version.minor), executable=Path(sys.executable),
        full_version=platform.python_version(), found="this one",
    )  # fmt: skip
    environments.create(folder, own)
    environments.install(folder, [requirements])
    tools = folder / "tools"
    (tools / "include").mkdir(parents=True)
    for name, script in _SCRIPTS.items():
        (tools / name).write_text(script, encoding="utf-8")
        (tools / name).chmod(0o755)
    (tools / "exports").write_text(_EXPORTS, encoding="utf-8")
    (tools / "answers").write_text(_ANSWERS, encoding="utf-8")
    # Python 3.6 and 3.7 include it and use nothing of it; glibc moved it to another project in 2.28.
    (tools / "include" / "crypt.h").write_text("", encoding="utf-8")
    try:
        run([_packages(folder) / "ziglang" / "zig", "version"], env=clean_environment())
    except CertifiedError as err:
        details = err.details if isinstance(err, CommandFailed) else (err.what,)
        why = "zig, the compiler of the wheels, does not run on this machine"
        raise EnvironmentMissing(why, details=details) from err


def _packages(folder: Path) -> Path:
    [packages] = folder.glob("lib/python*/site-packages")
    return packages
