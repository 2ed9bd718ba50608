"""The environment file: what systemd (EnvironmentFile=) and a shell (set -a; . FILE) read alike, and nothing else.

The two differ in escapes, expansions and comments, and old systemds differ from new ones. A line that any two of them
would read in two ways is refused, with its number.
"""

import os
import re
import stat

from . import files
from .refusals import Refused

FILE = "astronomer-certified"
# Names the file, for those who keep it elsewhere.
NAMES_IT = "ASTRONOMER_CERTIFIED_FILE"
SYSTEM_FILE = "/etc/default/" + FILE

_ASSIGNMENT = re.compile(r"[ \t]*([A-Za-z_][A-Za-z0-9_]*)=")
# Read as they stand by both. `~` is expanded by a shell at the start and behind a colon.
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=!*?^{}\[\]-]*")
_SIMPLE = re.compile(r"[A-Za-z0-9_./:@%+,=-]+\Z")
_ESCAPED = '"\\`$'
# systemd drops a variable whose value has one of these, without an error.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Malformed(Exception):
    """A file that cannot be used: `path`, the number of the line (0 for the file as a whole), and `why`."""

    def __init__(self, path, line, why):
        super().__init__("{}{}: {}".format(path, ", line {}".format(line) if line else "", why))
        self.path, self.line, self.why = path, line, why


def quoted(value):
    """The value as it is written behind `NAME=`. Raises ValueError for one that systemd does not take."""
    found = _CONTROL.search(value)
    if found:
        raise ValueError("the control character {!r} can stand in no environment file".format(found.group()))
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("only text can stand in an environment file") from None
    if _SIMPLE.match(value):
        return value
    return '"' + "".join("\\" + char if char in _ESCAPED else char for char in value) + '"'


def parse(text, path=FILE):
    """The assignments of a file, in its order, each `(line, name, value)`. Raises `Malformed`."""
    found, at = [], 0
    # Not splitlines(): it would end lines at characters that are part of a value.
    while at < len(text):
        line = text.count("\n", 0, at) + 1
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        start = text[at:end].strip(" \t")
        if not start or start.startswith("#"):
            if start.endswith("\\"):
                raise Malformed(path, line, "a comment that ends in a backslash goes on in the next line for systemd")
            at = end + 1
            continue
        match = _ASSIGNMENT.match(text, at, end)
        if match is None:
            raise Malformed(path, line, _no_assignment(start))
        value, at = _value(text, match.end(), path, line)
        if _CONTROL.search(value):
            raise Malformed(path, line, "the value of {} has a control character".format(match.group(1)))
        found.append((line, match.group(1), value))
    return found


def _no_assignment(line):
    if line.startswith("export "):
        return "systemd knows no `export`; write NAME=VALUE"
    if line.startswith(";"):
        return "a comment begins with #; a shell takes ; for an empty command"
    return "no NAME=VALUE, and no comment"


def _value(text, at, path, line):
    """The value that begins there, and where the next line begins."""
    quote = text[at : at + 1]
    if quote == '"':
        value, at = _double(text, at + 1, path, line)
    elif quote == "'":
        end = text.find("'", at + 1)
        if end < 0:
            raise Malformed(path, line, "a single quote that does not end")
        value, at = text[at + 1 : end], end + 1
        if "\\" in value:
            raise Malformed(path, line, "a backslash in single quotes, which systemd may drop; use double quotes")
    else:
        match = _PLAIN.match(text, at)
        value, at = match.group(), match.end()
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    rest = text[at:end].strip(" \t")
    if rest.endswith("\r"):
        raise Malformed(path, line, "a line ends as on Windows; save the file with line feeds")
    if rest:
        why = "behind a closing quote the line must end" if quote in ("'", '"') else "{!r} needs double quotes"
        raise Malformed(path, line, why.format(rest[0]))
    return value, end + 1


def _double(text, at, path, line):
    value = []
    while at < len(text):
        char = text[at]
        if char == '"':
            return "".join(value), at + 1
        if char in "$`":
            raise Malformed(path, line, "a shell expands {0}, systemd does not; write \\{0}".format(char))
        if char == "\\":
            at += 1
            char = text[at : at + 1]
            if char == "\n":
                char = ""
            elif not char or char not in _ESCAPED:
                raise Malformed(path, line, "systemd may drop the backslash before {!r}; write two".format(char))
        value.append(char)
        at += 1
    raise Malformed(path, line, "a double quote that does not end")


def read(path):
    """The file as `{name: (value, line)}`, the last one of a name. Raises `Malformed`, and OSError."""
    if os.path.islink(path) and os.lstat(path).st_uid not in (0, os.geteuid()):
        raise Malformed(path, 0, "it is a link that another user has made, who could make services do anything")
    content, status = files.content(path)
    # What stands in it is run: it names the database, and the folder of the code.
    if status.st_uid not in (0, os.geteuid()):
        raise Malformed(path, 0, "it belongs to user {}, who could make services do anything".format(status.st_uid))
    if stat.S_IMODE(status.st_mode) & stat.S_IWOTH:
        raise Malformed(path, 0, "everybody may write it: chmod o-w {}".format(path))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as err:
        raise Malformed(path, content[: err.start].count(b"\n") + 1, "no UTF-8") from None
    return {name: (value, line) for line, name, value in parse(text, path)}


def places(environ):
    """Where the file may be, the first that is there counts."""
    if environ.get(NAMES_IT):
        return [environ[NAMES_IT]]
    home = environ.get("AIRFLOW_HOME") or os.path.join(os.path.expanduser("~"), "airflow")
    return [SYSTEM_FILE, os.path.join(home, FILE)]


def find(environ):
    """The path of the file that counts, or None."""
    return next((path for path in places(environ) if os.path.exists(path)), None)


def found(path=None):
    """The file that is named, or else that counts, and what it sets, as of `read`. Raises `Refused` and `Malformed`."""
    path = path or find(os.environ)
    if path is None:
        where = " or ".join(places(os.environ))
        raise Refused("no environment file in {}; astronomer-certified init writes one".format(where))
    try:
        return path, read(path)
    except OSError as err:
        raise Refused("{}: {}".format(path, err.strerror)) from err
