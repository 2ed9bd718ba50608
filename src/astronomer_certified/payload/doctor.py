"""`doctor`: what is wrong with this installation, and what to do about it."""

from . import checks, installed, record, running, say, settings
from .refusals import Refused
from .table import aligned


def add(verbs):
    """The verb is known to the parser."""
    verb = verbs.add_parser("doctor", help="look for what is wrong; status 1 if something is")
    verb.add_argument("--file", help="the environment file (default: where services look for it)")
    verb.add_argument("--json", action="store_true", help="the results as JSON")
    verb.set_defaults(run=run)


def run(args):
    """Prints a line for each result. 1 when something failed; warnings do not count."""
    here = _here(args.file)
    results = [result for check in (*checks.every(), *running.every()) for result in check(here)]
    failed = sum(result.status == checks.FAILED for result in results)
    if args.json:
        say.json_of([result._asdict() for result in results])
    else:
        for line in aligned([(result.status, result.check, _told(result)) for result in results]):
            say.line(line)
        warnings = sum(result.status == checks.WARNING for result in results)
        say.line("{} failed, {} warnings, {} checks".format(failed, warnings, len(results)))
    return 1 if failed else 0


def _told(result):
    return "{}; {}".format(result.found, result.advice) if result.advice else result.found


def _here(file):
    """The installation. Raises Refused where not even the version of its Airflow is known."""
    known, problem = None, ""
    try:
        known = record.read()
        version = known.airflow
    except Refused as err:
        problem = str(err)
        core = installed.distributions().get("apache-airflow")
        if core is None:
            raise Refused("{}; and no apache-airflow is installed beside it".format(err)) from err
        version = core.version
    return checks.installation(file, known, problem, settings.airflow_of(version))
