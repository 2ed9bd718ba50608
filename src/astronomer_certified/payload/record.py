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
        number = found.get("format")
        other = number if isinstance(number, int) else "that is no number"
        raise Refused("release.json has format {}, and this command reads {}".format(other, FORMAT))
    try:
        return Record(
            tag=_text(found["tag"]),
            version=_text(found["version"]),
            airflow=_text(found["apache-airflow"]),
            pythons=_texts(found["pythons"]),
            certificate=_text(found["certificate"]),
            patches=[_record(Patch, item) for item in _list(found["patches"])],
            vulnerabilities=[_record(Vulnerability, item) for item in _list(found["vulnerabilities"])],
        )
    except (KeyError, TypeError) as err:
        raise Refused("release.json lacks something that it must have: {}".format(err)) from err


def _record(kind, item):
    """One of the tuples, of an object with these fields. Raises TypeError."""
    if not isinstance(item, dict):
        raise TypeError("{} is no object".format(kind.__name__))
    record = kind(**item)
    for field in kind._fields:
        value = getattr(record, field)
        if field in ("fixes", "proofs", "aliases", "evidence"):
            _texts(value)
        elif field != "severity":
            _text(value)
        elif not isinstance(value, (int, float, type(None))):
            raise TypeError("a severity is no number")
    return record


def _text(value):
    if not isinstance(value, str):
        raise TypeError("a value is no text")
    return value


def _texts(value):
    return [_text(item) for item in _list(value)]


def _list(value):
    if not isinstance(value, list):
        raise TypeError("a value is no list")
    return value


def counted(vulnerabilities):
    """How many have each status, as text: "3 fixed, 1 affected"."""
    numbers = [(status, sum(item.status == status for item in vulnerabilities)) for status in STATUSES]
    return ", ".join("{} {}".format(number, status) for status, number in numbers if number) or "none is known"
