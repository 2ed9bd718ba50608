"""`run SERVICE`: airflow with what the environment file sets, in place of this process."""

import errno
import os

from . import environment, release, services, settings
from .effective import Effective
from .refusals import Refused

# What to do where the kernel starts no program.
_HOW = {
    errno.E2BIG: "a value of the environment file, or the words, are longer than the kernel hands on",
    errno.ENOENT: "what its first line names is not there: install apache-airflow again",
    errno.ENOEXEC: "its first line names no program: install apache-airflow again",
}


def add(verbs):
    """The verb is known to the parser."""
    verb = verbs.add_parser("run", help="become a service, with what the environment file sets")
    verb.add_argument("service", choices=services.SERVICES)
    verb.add_argument(
        "words", nargs="...", metavar="WORD", help="what Airflow's own command takes, such as --port 8081"
    )
    verb.add_argument("--file", help="the file (default: where services look for it)")
    verb.set_defaults(run=run)


def run(args):
    """Does not return: this process is the service then. Raises Refused for what cannot be started."""
    _, found = environment.found(args.file)
    values = {name: value for name, (value, _) in found.items()}
    if any(word.split("=")[0] == "--file" for word in args.words):
        raise Refused("--file stands before the service: astronomer-certified run --file FILE {}".format(args.service))
    services.check(args.service, Effective(values, os.environ).get("core", "executor", "SequentialExecutor"))
    program = services.program()
    words = services.words(args.service, settings.airflow_of(release()["apache-airflow"]))
    # As systemd has it: the file wins.
    environ = dict(os.environ, PATH=services.search_path(os.environ.get("PATH", os.defpath)))
    environ.update(values)
    try:
        os.execve(program, [program, *words, *args.words], environ)  # noqa: S606 - it needs no shell
    except OSError as err:
        how = _HOW.get(err.errno, "look at it")
        raise Refused("{} cannot be started: {}; {}".format(program, err.strerror, how)) from err
