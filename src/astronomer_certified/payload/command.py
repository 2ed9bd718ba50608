"""The `astronomer-certified` command: what is installed, its settings, and the files that came with it."""

import argparse
import os
import shutil
import sys

from . import constraints_path, doctor, environment, environment_path, info, init, release, run, units, upgrade_check
from .refusals import Refused


def main(argv=None):
    """Exit status of the command: 0, or 1 with one message for what cannot be done."""
    args = _parser().parse_args(argv)
    try:
        return args.run(args)
    except (Refused, environment.Malformed) as err:
        print("astronomer-certified: {}".format(err), file=sys.stderr)
        return 1


def _parser():
    parser = argparse.ArgumentParser(prog="astronomer-certified", description=__doc__)
    parser.set_defaults(run=_version)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    verbs.add_parser("version", help="print the release (the default)")
    constraints = verbs.add_parser("constraints", help="print the path of a constraints file")
    constraints.add_argument("--python", default="{}.{}".format(*sys.version_info), help="like 3.8")
    constraints.add_argument("--hashes", action="store_true", help="the variant with hashes")
    constraints.set_defaults(run=_constraints)
    shipped = verbs.add_parser("environment", help="print the environment file with its defaults")
    shipped.set_defaults(run=_environment)
    env = verbs.add_parser("env", help="print what the environment file sets, without secrets")
    env.add_argument("--file", help="the file (default: where services look for it)")
    env.set_defaults(run=_env)
    for verb in (init, units, run, info, doctor, upgrade_check):
        verb.add(verbs)
    return parser


def _version(args):
    print("Astronomer Certified {tag} (apache-airflow {apache-airflow})".format(**release()))
    return 0


def _constraints(args):
    try:
        print(constraints_path(args.python, args.hashes))
    except LookupError as err:
        raise Refused(str(err)) from err
    return 0


def _environment(args):
    with open(environment_path(), encoding="utf-8") as stream:
        shutil.copyfileobj(stream, sys.stdout)
    return 0


def _env(args):
    """What the environment file sets, and what has another value here."""
    path, values = environment.found(args.file)
    for name, (value, line) in sorted(values.items()):
        # A service that reads the file has its value; a command typed here has that of the shell.
        other = "; another value in this shell" if os.environ.get(name, value) != value else ""
        print("{}={}  ({}:{}{})".format(name, environment.shown(name, value), path, line, other))
    return 0


if __name__ == "__main__":
    sys.exit(main())
