"""The bytes of a wheel's entry_points.txt -> nothing, when installers make the same scripts of it. Touches nothing.

pip reads it line by line, without regard to blanks, uv as an INI file of its own kind; what either does not refuse may
still be a script to one of them only.
"""

from __future__ import annotations

import re
from configparser import Error, RawConfigParser
from importlib.metadata import EntryPoint

from .members import Unsound, refuse

# More than any distribution has: it becomes one script each.
MOST_BYTES = 1 << 20

_SCRIPTS = ("console_scripts", "gui_scripts")

# `configparser` takes a time that grows with the square of it.
_LONGEST_LINE = 1000

# Where a line ends for pip alone (str.splitlines).
_OTHER_BREAKS = re.compile("[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_GROUP = re.compile(r"\[[^\s\[\]]+\]")

# A file name everywhere, which no shell and no system takes for anything else. pip makes another name than uv of one
# with blanks.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_LONGEST_NAME = 200
_EXTRAS = re.compile(r"\[\s*[\w-]+(,\s*\w+)*\s*\]")

# Those of a Python: uv lets nothing take their place.
_PYTHON = re.compile(r"python(w|3(\.[0-9]+)?)?")


def check_entry_points(content: bytes, where: str) -> None:
    """Raises `Unsound` for what pip or uv refuses, or would make another script of than the other; `where` is the path
    of the file in its wheel."""
    try:
        text = content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as err:
        raise refuse(where, "is not UTF-8, which every installer reads it as") from err
    lines = text.split("\n")
    if _OTHER_BREAKS.search(text) or max(map(len, lines)) > _LONGEST_LINE:
        raise refuse(
            where, f"has more than {_LONGEST_LINE} characters in a line, or a break that is none to all readers"
        )
    groups = [line.strip() for line in lines if line.lstrip().startswith("[")]
    # uv has a group `DEFAULT` whose scripts are those of all others.
    if not all(_GROUP.fullmatch(group) for group in groups) or "[default]" in map(str.lower, groups):
        raise refuse(where, "has the name of a group that not all readers take for one")
    # As the specification says it: `=` alone, names in their own case, nothing put in for `%`. pip knows no `;`.
    parser = RawConfigParser(delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except Error as err:
        raise Unsound("its entry_points.txt is none", details=[f"{err!s:.300}"]) from err
    for group in parser.sections():
        for name, value in parser.items(group):
            if "\n" in value:
                raise refuse(
                    where, f"has a line in the group {group[:100]!a} that begins with blanks: readers differ about it"
                )
            if group in _SCRIPTS:
                _check_script(where, name, value)


def _check_script(where: str, name: str, value: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise refuse(where, f"has a script of the name {name[:100]!a}, which is no plain file name")
    if _PYTHON.fullmatch(name):
        raise refuse(where, f"has a script in place of {name[:100]!a}, a Python's own")
    meant = EntryPoint.pattern.match(value)
    names = f"{meant['module']}.{meant['attr'] or ''}".split(".") if meant is not None else [""]
    extras = meant["extras"] if meant is not None else None
    if not all(part.isidentifier() for part in names) or (extras and not _EXTRAS.fullmatch(extras)):
        raise refuse(where, f"has the script {name[:100]!a}, which is no MODULE:FUNCTION: {value[:100]!a}")
