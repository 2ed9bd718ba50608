"""The words of a container -> the program that runs in it, once database and broker answer.

Python 3.6 and later, standard library only. What it heeds:

    ASTRONOMER_WAIT_SECONDS   how long database and broker may take to answer; 120 by default, 0 to ask nobody
    _AIRFLOW_DB_UPGRADE       true: the database is brought to this Airflow's migration before the program starts
"""

import os
import pwd
import re
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

DATABASE = "AIRFLOW__CORE__SQL_ALCHEMY_CONN"
BROKER = "AIRFLOW__CELERY__BROKER_URL"
EXECUTOR = "AIRFLOW__CORE__EXECUTOR"
WAIT = "ASTRONOMER_WAIT_SECONDS"
MIGRATE = "_AIRFLOW_DB_UPGRADE"
USER = "ASTRONOMER_USER"

PORTS = {
    "postgresql": 5432,
    "postgres": 5432,
    "mysql": 3306,
    "redis": 6379,
    "rediss": 6379,
    "amqp": 5672,
    "amqps": 5671,
}
SERVICES = ("webserver", "scheduler", "worker", "celery", "flower", "kerberos")


class Refused(Exception):
    """Why nothing is started, in one line."""


def endpoint(url):
    """Host and port of an address of a database or broker; None for what is on no other machine, or in no such form."""
    parts = urlsplit(url)
    scheme = parts.scheme.split("+")[0]
    try:
        port = parts.port
    except ValueError:
        raise Refused(f"{shown(url)}: its port is none")
    if not parts.hostname or scheme not in PORTS:
        return None
    return parts.hostname, port or PORTS[scheme]


def shown(url):
    """The address without the password that may stand in it."""
    parts = urlsplit(url)
    return "{}://{}{}".format(parts.scheme, parts.netloc.rpartition("@")[2], parts.path)


def answers(address):
    """None when somebody listens there; else why not."""
    try:
        socket.create_connection(address, timeout=3).close()
    except OSError as err:
        return str(err)
    return None


def wait_for(name, url, until, say):
    """Returns once somebody listens at the address that the variable `name` has. Raises Refused at the time `until`."""
    address = endpoint(url)
    if address is None:
        return
    said = False
    while True:
        why = answers(address)
        if why is None:
            return
        if time.monotonic() >= until:
            raise Refused(
                "{} at {}:{} does not answer: {}. Look whether it runs, and at {}; {} is how long to wait".format(
                    "the database" if name == DATABASE else "the broker", address[0], address[1], why, name, WAIT
                )
            )
        if not said:
            say(f"waiting for {address[0]}:{address[1]} ({name})")
            said = True
        time.sleep(0.5)


def seconds(environ):
    """How long may be waited. Raises Refused for what is no number."""
    text = environ.get(WAIT, "120")
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e6:
        raise Refused(f"{WAIT}={text} is no number of seconds")
    return value


def is_service(words):
    """Whether these words start one of Airflow's services."""
    return len(words) > 1 and os.path.basename(words[0]) == "airflow" and words[1] in SERVICES


def migration(printed):
    """The command that migrates the database of the Airflow whose `airflow version` printed this: before 1.10.14, a
    banner of letters is around the number."""
    number = re.search(r"([0-9]+)\.[0-9]+\.[0-9]+", printed)
    if number is None:
        raise Refused("airflow version prints no version: {!r}".format(printed[-200:]))
    return ["airflow", "upgradedb"] if number.group(1) == "1" else ["airflow", "db", "upgrade"]


def prepare(words, environ, say, user=()):
    """Whatever comes before the program: whom it needs answers, and the database is migrated if it is to be, by the
    words in `user` where it is to be somebody else."""
    migrates = environ.get(MIGRATE, "").lower() in ("1", "true", "yes")
    if not is_service(words) and not migrates:
        return
    allowed = seconds(environ)
    if allowed:
        until = time.monotonic() + allowed
        wait_for(DATABASE, environ.get(DATABASE, ""), until, say)
        if "Celery" in environ.get(EXECUTOR, ""):
            wait_for(BROKER, environ.get(BROKER, ""), until, say)
    if migrates:
        verb = migration(subprocess.check_output([*user, "airflow", "version"], env=environ).decode())
        say("migrating the database: {}".format(" ".join(verb)))
        status = subprocess.call([*user, *verb], env=environ)
        if status:
            raise Refused("the database was not migrated: {} ended with status {}".format(" ".join(verb), status))


def named(environ):
    """The environment, in which whoever runs this has a name: Airflow asks for that of the user, also of one whom no
    file of this image knows."""
    made = dict(environ)
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid-{os.getuid()}"
        made["HOME"] = environ.get("AIRFLOW_HOME", "/tmp")
    made.setdefault("USER", name)
    made.setdefault("LOGNAME", name)
    return made


def main(words):
    """Becomes the program; a status of 1 after one line of why not."""

    def say(text):
        print(f"entrypoint: {text}", file=sys.stderr)
        sys.stderr.flush()

    environ = named(os.environ)
    try:
        if not words:
            raise Refused("nothing to run; say for example: airflow webserver")
        user = []
        if os.getuid() == 0 and is_service(words):
            # Whoever starts the container as root wants it set up so, not Airflow to be root.
            user = ["gosu", environ.get(USER, "astro")]
            for name in ("USER", "LOGNAME", "HOME"):
                environ.pop(name, None)
        prepare(words, environ, say, user)
        words = [*user, *words]
        os.execvpe(words[0], words, environ)
    except Refused as err:
        say(err)
    except OSError as err:
        say(f"{words[0]} cannot be run: {err.strerror}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
