"""What `doctor` looks at by asking: database and broker, by Airflow's own code in a process of its own, and ports."""

import errno
import http.client
import json
import os
import pwd
import re
import socket
import subprocess
import sys
import time
import urllib.parse

from . import masking, settings
from .checks import FAILED, OK, SKIPPED, WARNING, Result

# Seconds: importing Airflow on a slow disk takes half of it.
_PATIENCE = 60
# Seconds that two clocks may be apart: signed requests for logs are refused soon after.
_APART = 5

_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception): ")

# Airflow makes the engine, alembic compares what the database has with Airflow's own migrations.
_DATABASE = """
import json, os
import airflow
from airflow import settings
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
config = Config()
config.set_main_option("script_location", os.path.join(os.path.dirname(airflow.__file__), "migrations"))
with settings.engine.connect() as connection:
    there = sorted(MigrationContext.configure(connection).get_current_heads())
    clock = None
    if settings.engine.dialect.name == "postgresql":
        clock = float(connection.execute("SELECT extract(epoch FROM clock_timestamp())").scalar())
    elif settings.engine.dialect.name == "mysql":
        clock = float(connection.execute("SELECT UNIX_TIMESTAMP(NOW(6))").scalar())
print("DOCTOR" + json.dumps({
    "there": there, "needed": sorted(ScriptDirectory.from_config(config).get_heads()), "clock": clock,
}))
"""

_BROKER = """
import json, os, sys
import kombu
options = json.loads(os.environ["DOCTOR_TRANSPORT"])
with kombu.Connection(
    os.environ["AIRFLOW__CELERY__BROKER_URL"], connect_timeout=5, transport_options=options
) as connection:
    connection.ensure_connection(max_retries=1, interval_start=0)
print("DOCTOR{}")
"""


def every():
    """The checks in their order, each a function from an `Installation` to its results."""
    return database, broker, ports


def database(here):
    """The database answers, is at the migration that this Airflow needs, and its clock is ours."""
    effective = here.effective
    url = effective.get("core", "sql_alchemy_conn")
    path = url[len("sqlite:///") :] if url.startswith("sqlite:////") else ""
    if not os.path.isdir(effective.home):
        return [Result("database", SKIPPED, "Airflow's folder is not there", "")]
    init = "airflow db init" if here.airflow >= (2, 0, 0) else "airflow initdb"
    # To connect would make it.
    if path and not os.path.exists(path):
        return [Result("database", FAILED, "{} is not there".format(path), init)]
    before = time.time()
    answer, problem = _asked(_DATABASE, effective)
    if problem:
        how = "look whether it runs, and at {}".format(settings.DATABASE)
        return [Result("database", FAILED, problem, how)]
    found = [_migrations(answer, init, here.airflow)]
    if answer["clock"] is None:
        found.append(Result("clock", SKIPPED, "SQLite has none to compare with", ""))
        return found
    after = time.time()
    apart = max(before - answer["clock"], answer["clock"] - after, 0)
    status, how = (OK, "") if apart <= _APART else (FAILED, "keep the clocks of all machines right, with chrony or NTP")
    found.append(Result("clock", status, "{:.0f} s from that of the database".format(apart), how))
    return found


def _migrations(answer, init, airflow):
    there, needed = ", ".join(answer["there"]), ", ".join(answer["needed"])
    if answer["there"] == answer["needed"]:
        return Result("database", OK, "at migration {}".format(needed), "")
    if not there:
        return Result("database", FAILED, "it is empty", init)
    upgrade = "airflow db upgrade" if airflow >= (2, 0, 0) else "airflow upgradedb"
    how = "with all services ended and a backup made: {}; an older Airflow needs its own database".format(upgrade)
    return Result("database", FAILED, "at migration {}, and Airflow needs {}".format(there, needed), how)


def broker(here):
    """The broker answers, and what talks to it is installed."""
    effective = here.effective
    if effective.get("core", "executor") not in settings.WITH_BROKER:
        return []
    url = effective.get("celery", "broker_url")
    options = json.dumps(effective.section("celery_broker_transport_options"))
    answer, problem = _asked(_BROKER, effective, AIRFLOW__CELERY__BROKER_URL=url, DOCTOR_TRANSPORT=options)
    if answer is None:
        how = "look whether it runs, and at {}".format(settings.BROKER)
        missing = re.search(r"No module named '?([\w.]+)", problem)
        if "redis library" in problem or (missing and missing.group(1) in ("kombu", "redis")):
            how = "install the extras celery and redis: astronomer-certified[celery,postgres,redis]"
        elif missing:
            how = "install what has the module {} for Python, in this environment".format(missing.group(1))
        return [Result("broker", FAILED, problem, how)]
    return [Result("broker", OK, masking.shown(settings.BROKER, url), "")]


def _asked(program, effective, **more):
    """What the program says, as `(answer, problem)`; one of them is empty. The problem is without secrets."""
    environ = dict(effective.environ, **more)
    environ[settings.HOME] = effective.home
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=_PATIENCE,
            # Nobody may put code there: Python looks for modules in the folder in which it is started.
            cwd="/", preexec_fn=_as_owner(effective.home),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None, "no answer in {} s".format(_PATIENCE)
    except (OSError, subprocess.SubprocessError) as err:
        return None, "{} cannot be run by the owner of {}: {}".format(sys.executable, effective.home, err)
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        if line.startswith("DOCTOR"):
            return json.loads(line[len("DOCTOR") :]), ""
    lines = [line.strip() for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    # SQLAlchemy ends with a link to its pages.
    lines = [line for line in lines if not line.startswith("(Background on this error")]
    # The message of an exception may have several lines, of which the first one says most.
    named = [line for line in lines if _EXCEPTION.match(line)]
    said = (named or lines or ["ended with status {}".format(done.returncode)])[-1]
    return None, masking.shown("", said)


def _as_owner(home):
    """For root, what makes a process that of a folder's owner: Airflow writes logs there, which must not be root's."""
    if os.geteuid() != 0 or not os.path.isdir(home):
        return None
    status = os.stat(home)
    owner, group = status.st_uid, status.st_gid
    if owner == 0:
        return None
    try:
        entry = pwd.getpwuid(owner)
    except KeyError:
        # A user of a container, as it may be: it has a number, and no name here.
        entry = None

    def become():
        if entry is None:
            os.setgroups([])
            os.setgid(group)
        else:
            os.initgroups(entry.pw_name, entry.pw_gid)
            os.setgid(entry.pw_gid)
        os.setuid(owner)

    return become


def ports(here):
    """Nobody else listens where services will."""
    effective = here.effective
    wanted = [("webserver", "webserver", "web_server_port", "8080")]
    if effective.get("core", "executor") in settings.WITH_BROKER:
        # Workers serve the logs that they hold; 2.x has this one in another section.
        wanted.append(("worker", "celery", "worker_log_server_port", "8793"))
        wanted.append(("flower", "celery", "flower_port", "5555"))
    return [
        _port(effective, service, effective.get(section, key, default) or default)
        for service, section, key, default in wanted
    ]


def _port(effective, service, text):
    check = "port of {}".format(service)
    how = "end what listens there (ss -ltnp), or give {} another port".format(service)
    try:
        number = int(text)
        taken = _is_taken(number)
    except (ValueError, OverflowError):
        return Result(check, FAILED, "{!r} is no port".format(text), "set a number from 1 to 65535")
    except OSError as err:
        return Result(check, WARNING, "{}: {}".format(number, err.strerror), how)
    if not taken:
        return Result(check, OK, "{} is free".format(number), "")
    if service != "webserver":
        return Result(check, OK, "{} is taken, by {} as it seems".format(number, service), "")
    if effective.get("webserver", "web_server_ssl_cert"):
        return Result(check, OK, "{} is taken, by the webserver as it seems".format(number), "")
    path = urllib.parse.urlsplit(effective.get("webserver", "base_url")).path.rstrip("/") + "/health"
    if _is_airflow(number, path):
        return Result(check, OK, "the webserver answers at {}".format(number), "")
    return Result(check, FAILED, "{} is taken, and not by an Airflow".format(number), how)


def _is_taken(number):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: what a connection has left behind hinders nobody.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", number))  # noqa: S104 - where it will listen, and nobody is answered
        except OSError as err:
            if err.errno != errno.EADDRINUSE:
                raise
            return True
        return False


def _is_airflow(number, path):
    """Whether who listens on this machine answers as the webserver does."""
    connection = http.client.HTTPConnection("127.0.0.1", number, timeout=5)
    try:
        connection.request("GET", path)
        return b"metadatabase" in connection.getresponse().read(10000)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
