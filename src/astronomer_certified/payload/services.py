"""The services of an installation: how its Airflow calls each, and with which executor it has something to do."""

import os
import shutil
import sys

from . import settings
from .refusals import Refused

SERVICES = ("webserver", "scheduler", "worker", "flower")
_OF_CELERY = ("worker", "flower")


def words(service, airflow):
    """What follows `airflow` on the command line that starts the service, for an Airflow like (2, 1, 0)."""
    return ["celery", service] if service in _OF_CELERY and airflow >= (2, 0, 0) else [service]


def folder():
    """Where the programs of this installation are."""
    # Not of sys.executable as it is resolved: the program of a virtual environment is often a link.
    return os.path.dirname(os.path.abspath(sys.executable))


def program():
    """The path of `airflow` of this installation. Raises Refused where there is none."""
    beside = os.path.join(folder(), "airflow")
    found = beside if os.path.isfile(beside) and os.access(beside, os.X_OK) else shutil.which("airflow")
    if found is None:
        raise Refused("no program airflow in {} or on PATH; install astronomer-certified there".format(folder()))
    return os.path.abspath(found)


def search_path(found=os.defpath):
    """A PATH on which Airflow, which starts itself and gunicorn by their names, finds those of this installation."""
    return "{}:{}".format(folder(), found)


def check(service, executor):
    """With that executor there is something to do for the service. Raises Refused, with what to set."""
    if service in _OF_CELERY and executor not in settings.WITH_BROKER and "." not in executor:
        raise Refused(
            "{} is for CeleryExecutor, but {}={}; the scheduler runs its tasks".format(
                service, settings.EXECUTOR, executor
            )
        )
