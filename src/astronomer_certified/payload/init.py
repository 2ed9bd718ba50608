"""`init`: the environment file with keys of its own and values that work together."""

import base64
import configparser
import contextlib
import os
import re
import sys

from . import environment, environment_path, files, release, settings
from .refusals import Refused

# What a line of the shipped file sets, also one that is commented out.
_LINE = re.compile(r"#?([A-Z][A-Z0-9_]*)=")
# Airflow expands the first in its variables, the second ends the path of a SQLite file.
_NOT_IN_HOME = re.compile(r"[$?\n]")
# In airflow.cfg until Airflow 2.1: signs nothing that anybody could not sign.
_NO_SECRET = ("", "temporary_key")


def add(verbs):
    """The verb is known to the parser."""
    verb = verbs.add_parser("init", help="write the environment file, with keys of its own")
    verb.add_argument("--file", help="where (default: /etc/default for root, else Airflow's folder)")
    verb.add_argument(
        "--home", help="AIRFLOW_HOME (default: of this shell, /usr/local/airflow for root, else ~/airflow)"
    )
    verb.add_argument("--executor", help="default: what goes with database and broker")
    verb.add_argument("--database", help="like postgresql://USER:PASSWORD@HOST/airflow (default: SQLite in the folder)")
    verb.add_argument("--broker", help="like redis://HOST:6379/0, for CeleryExecutor")
    verb.add_argument(
        "--force", action="store_true", help="replace a file; it is kept, its keys and own variables stay"
    )
    verb.set_defaults(run=run)


def run(args):
    """Writes the file and says what is next. Raises Refused for what cannot work, and before anything is written."""
    home = _home(args.home)
    path = os.path.abspath(args.file or _default_path(home))
    before = _before(path, args.force)
    values = _values(args, home)
    keys = _keys(home, before)
    values.update(keys)
    text = _text(values, _own(before))
    # What cannot be read back would be found by a service, at its next start.
    environment.parse(text, path)
    try:
        if not os.path.isdir(os.path.dirname(path)):
            os.makedirs(os.path.dirname(path))
    except OSError as err:
        raise Refused("{} cannot be made: {}".format(os.path.dirname(path), err.strerror)) from err
    try:
        kept = files.replace(path, text) if before is not None else files.write_new(path, text)
    except FileExistsError:
        raise Refused("{} was just made by somebody else; look at it, or say --force".format(path)) from None
    except OSError as err:
        raise Refused("{} cannot be written: {}".format(path, err.strerror)) from err
    print(path)
    for line in _said(path, values, keys, kept):
        print(line, file=sys.stderr)
    return 0


def _home(given):
    """AIRFLOW_HOME, as a whole path."""
    home = given or os.environ.get(settings.HOME)
    if not home:
        home = "/usr/local/airflow" if os.geteuid() == 0 else os.path.join(os.path.expanduser("~"), "airflow")
    if not os.path.isabs(home):
        raise Refused("--home {} is no whole path; it begins with a slash".format(home))
    if _NOT_IN_HOME.search(home):
        raise Refused("--home {!r} has one of $, ? and a line feed, which Airflow reads as something else".format(home))
    return os.path.normpath(home)


def _default_path(home):
    """Where services and `env` look for the file, and where this user may write."""
    named = os.environ.get(environment.NAMES_IT)
    return named or (environment.SYSTEM_FILE if os.geteuid() == 0 else os.path.join(home, environment.FILE))


def _before(path, force):
    """What the file that is there sets, `{name: (value, line)}`; None where there is none."""
    if not os.path.lexists(path):
        return None
    if not force:
        raise Refused("{} is there; --force replaces it and keeps a copy, its keys and your own variables".format(path))
    try:
        return environment.read(path)
    except environment.Malformed as err:
        # Its keys could not be kept, and with them the passwords of all connections.
        raise Refused("{}. Put it right or move it away; its keys could not be kept".format(err)) from err
    except OSError as err:
        raise Refused("{} cannot be read: {}".format(path, err.strerror)) from err


def _values(args, home):
    """What the options say, and what follows from them. Raises Refused."""
    airflow = settings.airflow_of(release()["apache-airflow"])
    database = args.database or "sqlite:///{}/airflow.db".format(home)
    settings.check_database(database)
    executor = args.executor or _fitting(database, args.broker)
    settings.check_executor(executor, airflow)
    if args.broker:
        settings.check_broker(args.broker)
    settings.check_together(executor, database, args.broker or "")
    values = {
        settings.HOME: home,
        settings.DATABASE: database,
        settings.EXECUTOR: executor,
        settings.PYTHON: "{}.{}".format(*sys.version_info),
    }
    if args.broker:
        values[settings.BROKER] = args.broker
        values[settings.RESULTS] = "db+" + database
    return values


def _fitting(database, broker):
    if broker:
        return "CeleryExecutor"
    return "SequentialExecutor" if settings.scheme_of(database) == "sqlite" else "LocalExecutor"


def _keys(home, before):
    """The two keys; None for one that is set in another way. One that is in use is never replaced by a new one."""
    known = {name: value for name, (value, _) in (before or {}).items()}
    ours = _of_airflow(home)
    found = {}
    for name, new in ((settings.FERNET_KEY, _fernet_key), (settings.SECRET_KEY, _secret_key)):
        # Airflow takes a value before the command or the secret that would tell it.
        if any(name + ending in known for ending in ("_CMD", "_SECRET")):
            found[name] = None
            continue
        found[name] = known.get(name) or os.environ.get(name) or ours.get(name) or new()
    return found


def _of_airflow(home):
    """The keys that an airflow.cfg in that folder has: what is in the database was encrypted with them."""
    path = os.path.join(home, "airflow.cfg")
    parser = configparser.RawConfigParser(strict=False)
    try:
        with open(path, encoding="utf-8") as stream:
            parser.read_file(stream)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error) as err:
        raise Refused("{}: its keys cannot be read: {}".format(path, err)) from err
    found = {}
    for name, section, key in (
        (settings.FERNET_KEY, "core", "fernet_key"), (settings.SECRET_KEY, "webserver", "secret_key")
    ):  # fmt: skip
        value = parser.get(section, key, fallback="").strip()
        if value not in _NO_SECRET:
            # The file writes %% for %.
            found[name] = value.replace("%%", "%")
    return found


def _fernet_key():
    return base64.urlsafe_b64encode(os.urandom(32)).decode("ascii")


def _secret_key():
    return base64.b16encode(os.urandom(30)).decode("ascii").lower()


def _own(before):
    """The variables of a file that the shipped one does not have."""
    with open(environment_path(), encoding="utf-8") as stream:
        shipped = {match.group(1) for match in map(_LINE.match, stream) if match}
    return {name: value for name, (value, _) in (before or {}).items() if name not in shipped}


def _text(values, own):
    """The shipped file with these values in their places, and one's own variables at the end."""
    lines = []
    with open(environment_path(), encoding="utf-8") as stream:
        for line in stream:
            match = _LINE.match(line)
            value = values.get(match.group(1)) if match else None
            lines.append(line if value is None else _assignment(match.group(1), value))
    if own:
        lines += ["\n", "# Variables of the file before this one.\n"]
        lines += [_assignment(name, value) for name, value in own.items()]
    return "".join(lines)


def _assignment(name, value):
    try:
        return "{}={}\n".format(name, environment.quoted(value))
    except ValueError as err:
        raise Refused("{}: {}".format(name, err)) from err


def _said(path, values, keys, kept):
    """What a person should know and do next."""
    if kept:
        yield "the file before is {}".format(kept)
    for name, value in keys.items():
        if value is None:
            yield "{} stays as the file before has it: by a command or a secret".format(name)
    for line in _contradictions(values):
        yield line
    yield "review every line, then: astronomer-certified env --file {}".format(path)
    if path not in environment.places(dict(os.environ, AIRFLOW_HOME=values[settings.HOME])):
        yield "services and commands find it by {}={}".format(environment.NAMES_IT, path)
    yield "keep a copy of {} elsewhere: without it the passwords of connections are lost".format(settings.FERNET_KEY)


def _contradictions(values):
    """Where an airflow.cfg that is there has other values, over which those of the file win."""
    path = os.path.join(values[settings.HOME], "airflow.cfg")
    parser = configparser.RawConfigParser(strict=False)
    with contextlib.suppress(OSError, UnicodeDecodeError, configparser.Error):
        parser.read(path, encoding="utf-8")
    for name, key in ((settings.DATABASE, "sql_alchemy_conn"), (settings.EXECUTOR, "executor")):
        other = parser.get("core", key, fallback=values[name])
        if other != values[name]:
            yield "{}: {} = {} there; {} counts".format(
                path, key, environment.shown(name, other), environment.shown(name, values[name])
            )
