"""A Python of this machine -> what it says of itself when an extension is built with it for another machine.

The headers of CPython are the same for both: what they ask of the processor (the size of a long, which byte of it comes
first) is alike on all that releases are for. What differs are names: of files and of platforms.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path

from astronomer_certified.effects.processes import run
from astronomer_certified.pythons import environments

# Where sysconfig reads what its Python was built with (as CPython's own cross builds have it).
_MODULE = "_sysconfigdata_certified_{machine}"
_SAY = """\
import importlib, json, sysconfig
print(json.dumps(importlib.import_module(sysconfig._get_sysconfigdata_name()).build_time_vars))
"""


def variables(machine: str) -> dict[str, str]:
    """The environment in which an extension is built for that machine, in an environment that `describe` was given."""
    return {
        "_PYTHON_HOST_PLATFORM": f"linux-{machine}",
        "_PYTHON_SYSCONFIGDATA_NAME": _MODULE.format(machine=machine),
    }


def describe(environment: Path, machine: str) -> None:
    """The Python of a build environment can say how it would be on that machine."""
    said = json.loads(run([environments.python_of(environment), "-I", "-c", _SAY]).stdout)
    told = {name: _of(value, machine) for name, value in said.items()}
    [packages] = environment.glob("lib/python*/site-packages")
    text = f"build_time_vars = {told!r}\n"
    (packages / f"{_MODULE.format(machine=machine)}.py").write_text(text, encoding="utf-8")


def _of(value: object, machine: str) -> object:
    """One value of sysconfig: `.cpython-38-x86_64-linux-gnu.so` is another name there."""
    return value.replace(f"{platform.machine()}-linux-gnu", f"{machine}-linux-gnu") if isinstance(value, str) else value
