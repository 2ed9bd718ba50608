"""What Astronomer Certified adds to Apache Airflow at run time. Python 3.6 and later, standard library only."""

import json
import os

from .refusals import Refused

_HERE = os.path.dirname(os.path.abspath(__file__))


def release():
    """The release as a dict: `tag` (2.1.0-4), `version` (2.1.0.post4), `apache-airflow` (2.1.0+astro.4), `pythons`.

    Raises `Refused` where the file that says so is missing or broken.
    """
    path = os.path.join(_HERE, "release.json")
    try:
        with open(path, encoding="utf-8") as stream:
            record = json.load(stream)
    except OSError as err:
        why = err.strerror
    except (ValueError, RecursionError):
        why = "no JSON"
    else:
        missing = _missing(record)
        if not missing:
            return record
        why = "it says nothing of {}".format(", ".join(missing))
    raise Refused(
        "{}: {}; install astronomer-certified again, with pip's --force-reinstall --no-deps".format(path, why)
    )


def _missing(record):
    """What a record of a release does not say, or not in the form that it has."""
    if not isinstance(record, dict):
        return ["a release"]
    missing = [key for key in ("tag", "version", "apache-airflow") if not is_text(record.get(key))]
    pythons = record.get("pythons")
    return missing if isinstance(pythons, list) and all(map(is_text, pythons)) else [*missing, "pythons"]


def is_text(value):
    """Whether it is text that can be written: JSON may have halves of characters in it."""
    try:
        return isinstance(value, str) and value.encode("utf-8") is not None
    except UnicodeEncodeError:
        return False


def constraints_path(python, hashes=False):
    """The path of the constraints file for a Python like "3.8". Raises LookupError when this release has none."""
    name = "constraints-{}{}.txt".format(python, "-hashes" if hashes else "")
    path = os.path.join(_HERE, "constraints", name)
    if not os.path.isfile(path):
        raise LookupError(
            "Astronomer Certified {} is for Python {}, not {}".format(
                release()["tag"], ", ".join(release()["pythons"]), python
            )
        )
    return path


def environment_path():
    """The path of the environment file `astronomer-certified` with the variables to review on installation."""
    return os.path.join(_HERE, "astronomer-certified")
