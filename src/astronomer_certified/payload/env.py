"""`env`: what services run with, where each value comes from, and what is different here. Without secrets."""

import os
import re

from . import environment, environment_path, masking, say
from .effective import Effective

_LINE = re.compile(r"#?(AIRFLOW__([A-Z]+)__([A-Z0-9_]+))=")


def add(verbs):
    """The verb is known to the parser."""
    verb = verbs.add_parser("env", help="print what services run with, and where it comes from; without secrets")
    verb.add_argument("--file", help="the file (default: where services look for it)")
    verb.set_defaults(run=run)


def run(args):
    """Prints a line for each variable. Raises Refused and Malformed for a file that cannot be used."""
    path, found = environment.found(args.file)
    lines = {name: _of_file(name, value, path, line) for name, (value, line) in found.items()}
    effective = Effective({name: value for name, (value, _) in found.items()}, {})
    for name, value in _of_airflow(effective):
        lines.setdefault(name, "{}={}  ({})".format(name, masking.shown(name, value), effective.cfg_path))
    for name, value in os.environ.items():
        if name.startswith("AIRFLOW_") and name not in found:
            shown = masking.shown(name, value)
            lines[name] = "{}={}  (this shell; services do not have it)".format(name, shown)
    for name in sorted(lines):
        say.line(lines[name])
    return 0


def _of_file(name, value, path, line):
    # A service that reads the file has its value; a command typed here has that of the shell.
    other = "; another value in this shell" if os.environ.get(name, value) != value else ""
    return "{}={}  ({}:{}{})".format(name, masking.shown(name, value), path, line, other)


def _of_airflow(effective):
    """Those of the shipped variables that airflow.cfg sets, each `(name, value)`."""
    with open(environment_path(), encoding="utf-8") as stream:
        for match in filter(None, map(_LINE.match, stream)):
            value = effective.get(match.group(2).lower(), match.group(3).lower())
            if value:
                yield match.group(1), value
