"""The words of a container -> the program that runs in it, once database and broker answer.

Python 3.6 and later, standard library only. What it heeds:

    ASTRONOMER_WAIT_SECONDS   how long database and broker may take to answer; 120 by default, 0 to ask nobody
    _AIRFLOW_DB_UPGRADE       true: the database is brought to this Airflow's migration before the program starts
"""

import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import sysconfig
import time

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
    "sentinel": 26379,
}
# What stands behind the scheme, as SQLAlchemy 1.3 reads it: a user up to the first colon, a password up to the last @.
_ADDRESS = re.compile(
    r"(?:[^:/]*(?::.*)?@)?(?:\[(?P<v6>[^/\]]+)\]|(?P<host>[^/:?\[\]]+))?(?::(?P<port>[^/?]*))?(?:[/?].*)?$", re.S
)
SERVICES = ("webserver", "scheduler", "worker", "celery", "flower", "kerberos")


class Refused(Exception):
    """Why nothing is started, in one line; and with which status, if not 1."""


class Unreadable(Exception):
    """A variable holds what is no address."""


def endpoint(name, address):
    """Host and port of an address of a database or broker that the variable `name` has; None for what is on no other
    machine, or of another kind. Raises Unreadable for what whoever connects by it cannot read."""
    scheme, _, rest = address.partition("://")
    scheme = scheme.split("+")[0].lower()
    if scheme not in PORTS:
        return None
    if name == BROKER:
        # kombu reads an address as browsers do; SQLAlchemy takes all before the last @ for user and password.
        rest = re.split("[/?#]", rest)[0]
    parts = _ADDRESS.match(rest)
    if parts is None or (parts.group("port") and not re.match("[0-9]{1,5}$", parts.group("port"))):
        raise Unreadable
    host = parts.group("v6") or parts.group("host")
    port = int(parts.group("port") or PORTS[scheme])
    try:
        (host or "").encode("idna")
    except UnicodeError:
        raise Unreadable
    if not 0 < port < 65536 or (not host and parts.group("port")):
        raise Unreadable
    return (host, port) if host else None


def answers(address):
    """None when somebody listens there; else why not."""
    try:
        socket.create_connection(address, timeout=3).close()
    except OSError as err:
        return err.strerror or str(err)
    return None


def endpoints(name, text):
    """Whoever the addresses in the variable `name` are of: of brokers, there may be several, between semicolons."""
    addresses = text.split(";") if name == BROKER else [text]
    return [endpoint(name, address.strip()) for address in addresses if address.strip()]


def wait_for(name, text, until, say):
    """Returns once somebody listens at one of the addresses that the variable `name` has: clients take whichever
    answers. Raises Refused at the time `until`. No address is told: what is taken for a host may be a password."""
    what = "the database" if name == DATABASE else "the broker"
    try:
        found = endpoints(name, text)
    except Unreadable:
        say(f"{name} cannot be read as an address: {what} is not waited for")
        return
    if not found or not all(found):
        return
    said = False
    while True:
        # In each round all of them are asked.
        reasons = [answers(address) for address in found]
        if not all(reasons):
            return
        if time.monotonic() >= until:
            raise Refused(
                "{} of {} does not answer: {}. Look whether it runs there; {} is how long to wait".format(
                    what, name, "; ".join(sorted(set(reasons))), WAIT
                )
            )
        if not said:
            say(f"waiting for {what} of {name}")
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


def migration(folder):
    """The command that migrates the database of the Airflow whose packages are in that folder."""
    found = [re.match(r"apache_airflow-([0-9]+)\.[^-]*\.dist-info$", name) for name in os.listdir(folder)]
    majors = {match.group(1) for match in found if match}
    if len(majors) != 1:
        raise Refused(f"which Airflow is to migrate the database is not known: {folder} has {len(majors)} of them")
    return ["airflow", "upgradedb"] if majors == {"1"} else ["airflow", "db", "upgrade"]


def run(words, environ):
    """The status of a program, which gets the signals that tell this one to end."""
    running, got = [], []

    def pass_on(number, frame):
        got.append(number)
        for process in running:
            process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        running.append(subprocess.Popen(words, env=environ))
        for number in list(got):
            running[0].send_signal(number)
        status = running[0].wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if got:
        raise Refused("{} was told to end by signal {}, and did".format(" ".join(words), got[0]), 128 + got[0])
    return status


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
        verb = migration(sysconfig.get_path("purelib"))
        say("migrating the database: {}".format(" ".join(verb)))
        status = run([*user, *verb], environ)
        if status:
            raise Refused("the database was not migrated: {} ended with status {}".format(" ".join(verb), status))


def somebody(name):
    """The words by which root becomes that user, or number. Raises Refused for one whom the image does not know."""
    user = name.partition(":")[0]
    try:
        if not user.isdigit():
            pwd.getpwnam(user)
    except KeyError:
        raise Refused(f"{USER}={name} is no user of this image; name one, or give a number")
    return ["gosu", name]


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
        if not words or not words[0]:
            raise Refused("nothing to run; say for example: airflow webserver")
        user = []
        if os.getuid() == 0 and is_service(words):
            # Whoever starts the container as root wants it set up so, not Airflow to be root.
            user = somebody(environ.get(USER, "astro"))
            for name in ("USER", "LOGNAME", "HOME"):
                environ.pop(name, None)
        prepare(words, environ, say, user)
        words = [*user, *words]
        os.execvpe(words[0], words, environ)
    except Refused as err:
        say(err.args[0])
        return err.args[1] if err.args[1:] else 1
    except OSError as err:
        say(f"{err.filename or words[0]} cannot be run: {err.strerror}")
    except KeyboardInterrupt:
        say("interrupted")
        return 128 + signal.SIGINT
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
