"""The `astronomer-certified` command: what is installed, and the files that came with it."""

import argparse
import os
import shutil
import sys

from . import constraints_path, environment, environment_path, release


def main(argv=None):
    """Exit status of the command: 0, or 1 with one message for what this release does not have."""
    parser = argparse.ArgumentParser(prog="astronomer-certified", description=__doc__)
    verbs = parser.add_subparsers(dest="verb")
    verbs.add_parser("version", help="print the release (the default)")
    constraints = verbs.add_parser("constraints", help="print the path of a constraints file")
    constraints.add_argument("--python", default="{}.{}".format(*sys.version_info), help="like 3.8")
    constraints.add_argument("--hashes", action="store_true", help="the variant with hashes")
    verbs.add_parser("environment", help="print the environment file with its defaults")
    env = verbs.add_parser("env", help="print what the environment file sets, without secrets")
    env.add_argument("--file", help="the file (default: where services look for it)")
    args = parser.parse_args(argv)
    if args.verb == "constraints":
        try:
            print(constraints_path(args.python, args.hashes))
        except LookupError as err:
            print("astronomer-certified: {}".format(err), file=sys.stderr)
            return 1
    elif args.verb == "env":
        return _env(args.file)
    elif args.verb == "environment":
        with open(environment_path(), encoding="utf-8") as stream:
            shutil.copyfileobj(stream, sys.stdout)
    else:
        print("Astronomer Certified {tag} (apache-airflow {apache-airflow})".format(**release()))
    return 0


def _env(path):
    """What the environment file sets, and what has another value here. 1 when it cannot be used."""
    path = path or environment.find(os.environ)
    if path is None:
        print("astronomer-certified: no environment file in {}".format(" or ".join(environment.places(os.environ))),
              file=sys.stderr)  # fmt: skip
        return 1
    try:
        values = environment.read(path)
    except (OSError, environment.Malformed) as err:
        print("astronomer-certified: {}".format(err), file=sys.stderr)
        return 1
    for name, (value, line) in sorted(values.items()):
        # A service that reads the file has its value; a command typed here has that of the shell.
        other = "; another value in this shell" if os.environ.get(name, value) != value else ""
        print("{}={}  ({}:{}{})".format(name, environment.shown(name, value), path, line, other))
    return 0


if __name__ == "__main__":
    sys.exit(main())
