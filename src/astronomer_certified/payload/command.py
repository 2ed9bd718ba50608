"""The `astronomer-certified` command: what is installed, its settings, and the files that came with it."""

import argparse
import signal
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
    """Exit status of the command: 0, or 1 with one message for what cannot be done. 2 is wrong usage, 130 Ctrl-C."""
    try:
        status = _status(argv)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except (Refused, environment.Malformed) as err:
        problem = str(err)
    except BrokenPipeError:
        # Whoever reads has read enough.
        problem = ""
    except OSError as err:
        problem = "{}: {}".format(err.filename or "what is printed", err.strerror or err)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    _forget_output()
    if problem:
        say.aside("astronomer-certified: {}".format(problem))
    return 1


def _status(argv):
    try:
        args = _parser().parse_args(argv)
    except SystemExit as end:
        # argparse has shown a help, or what is wrong with the words.
        return end.code or 0
    return args.run(args)


def _forget_output():
    """Python writes no more of what could not be written, as it would when it ends."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        say.forget(sys.stdout)


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
    say.line("Astronomer Certified {tag} (apache-airflow {apache-airflow})".format(**release()))
    return 0


def _constraints(args):
    try:
        say.line(constraints_path(args.python, args.hashes))
    except LookupError as err:
        raise Refused(str(err)) from err
    return 0


def _environment(args):
    with open(environment_path(), encoding="utf-8") as stream:
        for line in stream:
            say.line(line.rstrip("\n"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
