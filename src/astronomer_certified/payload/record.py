"""release.json -> what a release says of its patches and of known vulnerabilities."""

from collections import namedtuple

from . import release
from .refusals import Refused

FORMAT = 2
STATUSES = ("fixed", "in upstream", "not affected", "affected", "unknown")

# `fixes` and `proofs` are lists; `change` is where upstream speaks of it, `notice` what it asks of operators, or "".
Patch = namedtuple("Patch", "distribution name subject fixes change proofs notice")
# `severity` is the CVSS score, or None; `reason` and the list `evidence` say why the status is what it is.
Vulnerability = namedtuple("Vulnerability", "id aliases summary severity status reason evidence")
Record = namedtuple("Record", "tag version airflow pythons certificate patches vulnerabilities")


def read():
    """The `Record` of this release. Raises `Refused` where release.json is missing, broken or of another format."""
    return of(release())


def of(found):
    """The `Record` that the content of a release.json is. Raises `Refused`."""
    if not isinstance(found, dict):
        raise Refused("release.json is no record of a release")
    if found.get("format") != FORMAT:
        raise Refused("release.json has format {!r}, and this command reads {}".format(found.get("format"), FORMAT))
    try:
        return Record(
            tag=found["tag"],
            version=found["version"],
            airflow=found["apache-airflow"],
            pythons=found["pythons"],
            certificate=found["certificate"],
            patches=[Patch(**item) for item in found["patches"]],
            vulnerabilities=[Vulnerability(**item) for item in found["vulnerabilities"]],
        )
    except (KeyError, TypeError) as err:
        raise Refused("release.json lacks something that it must have: {}".format(err)) from err


def counted(vulnerabilities):
    """How many have each status, as text: "3 fixed, 1 affected"."""
    numbers = [(status, sum(item.status == status for item in vulnerabilities)) for status in STATUSES]
    return ", ".join("{} {}".format(number, status) for status, number in numbers if number) or "none is known"
