"""`info`: the release that is installed, its patches, and what it says of known vulnerabilities."""

import sys

from . import installed, record, say
from .refusals import Refused
from .table import aligned


def add(verbs):
    """The verb is known to the parser."""
    verb = verbs.add_parser("info", help="print the release, its patches and the status of vulnerabilities")
    verb.add_argument("--status", choices=record.STATUSES, help="only vulnerabilities of that status, with the reason")
    verb.add_argument("--json", action="store_true", help="everything, as JSON")
    verb.set_defaults(run=run)


def run(args):
    """Prints it. Raises Refused where nothing is known of the release, after what is known of the installation."""
    try:
        found = record.read()
    except Refused:
        airflow = installed.distributions().get("apache-airflow")
        say.line("apache-airflow {} is installed".format(airflow.version if airflow else "in no version"))
        # What is said next goes to stderr, and a reader wants both in this order.
        sys.stdout.flush()
        raise
    if args.json:
        whole = found._asdict()
        whole["patches"] = [item._asdict() for item in found.patches]
        whole["vulnerabilities"] = [item._asdict() for item in found.vulnerabilities]
        say.json_of(whole)
        return 0
    for line in _of_status(found, args.status) if args.status else _lines(found):
        say.line(line)
    return 0


def _lines(found):
    yield "Astronomer Certified {} (apache-airflow {}), for Python {}".format(
        found.tag, found.airflow, ", ".join(found.pythons)
    )
    yield "what was verified: {}, beside the release at whoever made it".format(found.certificate)
    yield ""
    yield "{} patches:".format(len(found.patches))
    for line in aligned([(item.subject, ", ".join(item.fixes)) for item in found.patches]):
        yield "  " + line
    yield ""
    yield "{} known vulnerabilities: {}".format(len(found.vulnerabilities), record.counted(found.vulnerabilities))
    for line in aligned([(item.id, item.status, item.summary) for item in found.vulnerabilities]):
        yield "  " + line


def _of_status(found, status):
    for item in found.vulnerabilities:
        if item.status == status:
            yield "{}: {}".format(item.id, item.summary)
            yield "  {}: {}".format(item.status, item.reason)
            for evidence in item.evidence:
                yield "  {}".format(evidence)
