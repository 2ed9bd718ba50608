"""The `astronomer-certified` command: what is installed, its settings, and the files that came with it."""

import argparse
import os
import shutil
import sys

from . import (
    constraints_path,
    doctor,
    env,
    environment,
    environment_path,
    info,
    init,
    release,
    run,
    say,
    units,
    upgrade_check,
)
from .refusals import Refused


def main(argv=None):
    """Exit status of the command: 0, or 1 with one message for what cannot be done."""
    args = _parser().parse_args(argv)
    try:
        status = args.run(args)
        sys.stdout.flush()
        return status
    except (Refused, environment.Malformed) as err:
        problem = str(err)
    except BrokenPipeError:
        # Whoever reads has read enough.
        problem = ""
    except OSError as err:
        problem = "{}: {}".format(err.filename or "what is printed", err.strerror or err)
    _forget_output()
    if problem:
        say.line("astronomer-certified: {}".format(problem), sys.stderr)
    return 1


def _forget_output():
    """Python writes no more of what could not be written, as it would when it ends."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


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
    for verb in (init, env, units, run, info, doctor, upgrade_check):
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


if __name__ == "__main__":
    sys.exit(main())
