"""What an installation may be set to: executors, databases and brokers, and which of them work together."""

import re

from .refusals import Refused

HOME = "AIRFLOW_HOME"
DATABASE = "AIRFLOW__CORE__SQL_ALCHEMY_CONN"
EXECUTOR = "AIRFLOW__CORE__EXECUTOR"
FERNET_KEY = "AIRFLOW__CORE__FERNET_KEY"
SECRET_KEY = "AIRFLOW__WEBSERVER__SECRET_KEY"  # noqa: S105 - a name
BROKER = "AIRFLOW__CELERY__BROKER_URL"
RESULTS = "AIRFLOW__CELERY__RESULT_BACKEND"
BASE_URL = "AIRFLOW__WEBSERVER__BASE_URL"
USER = "ASTRONOMER_USER"
UID = "ASTRONOMER_UID"
PYTHON = "PYTHON_MAJOR_MINOR_VERSION"

# Each with the first Airflow that has it, and the first that has it no more.
_EXECUTORS = {
    "SequentialExecutor": ((1, 10), None),
    "LocalExecutor": ((1, 10), None),
    "CeleryExecutor": ((1, 10), None),
    "DaskExecutor": ((1, 10), None),
    "KubernetesExecutor": ((1, 10), None),
    "DebugExecutor": ((1, 10), None),
    "MesosExecutor": ((1, 10), (2, 0)),
    "CeleryKubernetesExecutor": ((2, 0), None),
}
WITH_SQLITE = ("SequentialExecutor", "DebugExecutor")
WITH_BROKER = ("CeleryExecutor", "CeleryKubernetesExecutor")
_DATABASES = ("mysql", "mysql+mysqlconnector", "mysql+mysqldb", "postgresql", "postgresql+psycopg2", "sqlite")
_BROKERS = ("amqp", "amqps", "pyamqp", "redis", "redis+socket", "rediss", "sentinel", "sqs")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def airflow_of(version):
    """The numbers of an Airflow version: (2, 1, 0) of 2.1.0+astro.4. Raises Refused for what is none."""
    match = re.match(r"(\d+)\.(\d+)\.(\d+)(?=[+.]|$)", version)
    if match is None:
        raise Refused("apache-airflow {!r} is no version like 2.1.0".format(version))
    return tuple(int(number) for number in match.groups())


def scheme_of(url):
    """What stands before :// in an address, or "" where nothing does."""
    match = _SCHEME.match(url)
    return match.group(1) if match else ""


def check_executor(executor, airflow):
    """The Airflow of this version has the executor. Raises Refused, with those that it has."""
    # A class of one's own is named with its module, or with the plugin that has it.
    if re.match(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$", executor):
        return
    known = sorted(
        name for name, (since, until) in _EXECUTORS.items() if since <= airflow and (until is None or airflow < until)
    )
    if executor not in known:
        version = ".".join(str(number) for number in airflow)
        raise Refused("Airflow {} has no {}; choose one of {}".format(version, executor, ", ".join(known)))


def check_database(url):
    """Airflow can keep its metadata there. Raises Refused, with what can stand there."""
    scheme = scheme_of(url)
    if scheme == "postgres":
        raise Refused("a database at postgres://: SQLAlchemy calls it postgresql; write postgresql://")
    if scheme not in _DATABASES:
        raise Refused("a database at {}: choose one of {}".format(_named(url), _listed(_DATABASES)))
    if scheme == "sqlite" and not url.startswith("sqlite:////"):
        raise Refused("a SQLite file needs its whole path, with four slashes: sqlite:////usr/local/airflow/airflow.db")
    if scheme != "sqlite" and re.search(r"[#?].*@", url):
        raise Refused("the address of the database has # or ? in its login; write %23 or %3F there")
    if scheme != "sqlite" and not re.match(r"[^:]+://[^/?#]*/[^/?#]", url):
        raise Refused("the address of the database names none; it ends like …@HOST/airflow")


def check_broker(url):
    """Celery can use it as its broker. Raises Refused, with what can stand there."""
    # Sentinels stand one after the other.
    for part in url.split(";"):
        if scheme_of(part) not in _BROKERS:
            raise Refused("a broker at {}: choose one of {}".format(_named(part), _listed(_BROKERS)))


def check_together(executor, database, broker):
    """They work together; `broker` is "" where none is named. Raises Refused, with what to choose."""
    if scheme_of(database) == "sqlite" and executor not in WITH_SQLITE:
        raise Refused(
            "{} with SQLite: Airflow refuses it. Choose SequentialExecutor, or a PostgreSQL: "
            "--database postgresql://USER:PASSWORD@HOST/airflow".format(executor)
        )
    if executor in WITH_BROKER and not broker:
        raise Refused("{} without a broker: name one, --broker redis://HOST:6379/0".format(executor))
    if executor not in WITH_BROKER and "." not in executor and broker:
        raise Refused("{} uses no broker: leave --broker out, or choose CeleryExecutor".format(executor))


def _named(url):
    """An address without what may be secret in it."""
    scheme = scheme_of(url)
    return "{}://".format(scheme) if scheme else "an address without ://"


def _listed(schemes):
    return ", ".join("{}://".format(scheme) for scheme in schemes)
