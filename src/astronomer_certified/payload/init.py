"""`init`: the environment file with keys of its own and values that work together."""

import base64
import configparser
import contextlib
import os
import re
import sys

from . import environment, environment_path, files, masking, release, say, settings
from .refusals import Refused

# What a line of the shipped file sets, also one that is commented out.
_LINE = re.compile(r"#?([A-Z][A-Z0-9_]*)=")
# Airflow expands the first in its variables, the second ends the path of a SQLite file.
_NOT_IN_HOME = re.compile(r"[$?\n]")
# In airflow.cfg until Airflow 2.1: signs nothing that anybody could not sign.
_NO_SECRET = ("", "temporary_key")
# Behind the name of a variable: it says by which command, or where among secrets, its value is found.
_TELLS = ("_CMD", "_SECRET")
# Stands for the address of a database that one of them tells; only its scheme is looked at.
_TOLD = "postgresql://told/elsewhere"


def add(verbs):
    """The verb is known to the parser."""
    verb = verbs.add_parser("init", help="write the environment file, with keys of its own")
    verb.add_argument("--file", help="where (default: /etc/default for root, else Airflow's folder)")
    verb.add_argument(
        "--home", help="AIRFLOW_HOME (default: of this shell, /usr/local/airflow for root, else ~/airflow)"
    )
    verb.add_argument("--executor", help="default: what goes with database and broker")
    verb.add_argument(
        "--database",
        help="like postgresql://USER:PASSWORD@HOST/airflow (default: that of the file before, or of this shell, "
        "or SQLite in the folder)",
    )
    verb.add_argument("--broker", help="like redis://HOST:6379/0, for CeleryExecutor")
    verb.add_argument(
        "--force", action="store_true", help="replace a file; it is kept, and what no option says stays as it was"
    )
    verb.set_defaults(run=run)


def run(args):
    """Writes the file and says what is next. Raises Refused for what cannot work, and before anything is written."""
    path = os.path.abspath(args.file or _default_path(_home(args.home)))
    files.refuse_links_of_others(path)
    before = _before(path, args.force)
    known = {name: value for name, (value, _) in (before or {}).items()}
    values = _values(args, known)
    keys = _keys(values[settings.HOME], known)
    values.update(keys)
    text = _text(values, _own(known, keys))
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
    say.line(path)
    if kept:
        say.aside("the file before is {}".format(kept))
    for line in _said(path, values, keys, known):
        say.aside(line)
    return 0


def _home(given, before=None):
    """AIRFLOW_HOME, as a whole path: what the option says, else the file before, else this shell."""
    home = given or before or os.environ.get(settings.HOME)
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
        raise Refused("{} is there; --force replaces it, and keeps a copy and what no option says".format(path))
    try:
        return environment.read(path)
    except environment.Malformed as err:
        # Its keys could not be kept, and with them the passwords of all connections.
        raise Refused("{}. Put it right or move it away; its keys could not be kept".format(err)) from err
    except OSError as err:
        raise Refused("{} cannot be read: {}".format(path, err.strerror)) from err


def _values(args, known):
    """What the options say and what follows from them; the rest as the file before has it. Raises Refused.

    None is what the file before does not set: it stays out, as airflow.cfg or a command has had it since.
    """
    shipped = _shipped()
    home = _home(args.home, known.get(settings.HOME))
    database = _database(args, known, home)
    # Without a file, what this shell has counts: passwords need not stand in a command, which everybody can see.
    broker = args.broker or ("" if known else os.environ.get(settings.BROKER, ""))
    executor = _executor(args, known, database, broker)
    if executor in settings.WITH_BROKER and not broker:
        broker = known.get(settings.BROKER, "")
    # What nobody names is not looked at: doctor says what is wrong with it.
    if not known or args.database or args.executor or args.broker:
        _check(executor, database, broker)
    values = {name: known.get(name) for name in shipped} if known else {}
    values.update({
        settings.HOME: home,
        settings.DATABASE: database,
        settings.EXECUTOR: executor,
        settings.PYTHON: "{}.{}".format(*sys.version_info),
    })  # fmt: skip
    if broker:
        values[settings.BROKER] = broker
        values[settings.RESULTS] = _results(args, known, database, shipped[settings.RESULTS])
    return values


def _check(executor, database, broker):
    if database:
        settings.check_database(database)
    if broker:
        settings.check_broker(broker)
    if executor:
        settings.check_executor(executor, settings.airflow_of(release()["apache-airflow"]))
        settings.check_together(executor, database or _TOLD, broker)


def _results(args, known, database, shipped):
    """Where results are kept: in the database, where nobody has said something else."""
    results = known.get(settings.RESULTS, "" if known and not args.broker else shipped)
    if database and (results == shipped or (args.database and results.startswith("db+"))):
        return "db+" + database
    return results or None


def _database(args, known, home):
    """The address of the database; None where the file before has none, as a command or airflow.cfg tells it."""
    if args.database:
        return args.database
    before = known.get(settings.DATABASE) if known else os.environ.get(settings.DATABASE)
    # That of a folder goes with it.
    if before and before != "sqlite:///{}/airflow.db".format(known.get(settings.HOME)):
        return before
    return None if known and not before else "sqlite:///{}/airflow.db".format(home)


def _executor(args, known, database, broker):
    """What the option says, else what the file before has if it goes with the rest, else what goes with that."""
    before = known.get(settings.EXECUTOR)
    fitting = _fitting(database or _TOLD, broker)
    if args.executor or not known:
        return args.executor or fitting
    if not before:
        return fitting if args.broker else None
    # It was all that SQLite can do.
    if before == "SequentialExecutor" and args.database:
        return fitting
    if not args.database and not args.broker:
        return before
    try:
        there = broker or (known.get(settings.BROKER, "") if before in settings.WITH_BROKER else "")
        settings.check_together(before, database or _TOLD, there)
    except Refused:
        return fitting
    return before


def _fitting(database, broker):
    if broker:
        return "CeleryExecutor"
    return "SequentialExecutor" if settings.scheme_of(database) == "sqlite" else "LocalExecutor"


def _keys(home, known):
    """The two keys; None for one that a command or a secret tells. One that is in use is never replaced by a new one.

    They are looked for where Airflow does: in each place a value comes before what would tell it.
    """
    ours = _of_airflow(home)
    found = {}
    for name, new in ((settings.FERNET_KEY, _fernet_key), (settings.SECRET_KEY, _secret_key)):
        for place in (known, os.environ, ours):
            if place.get(name):
                found[name] = place[name]
                break
            if any(place.get(name + ending) for ending in _TELLS):
                found[name] = None
                break
        else:
            found[name] = new()
    return found


def _of_airflow(home):
    """The keys that an airflow.cfg in that folder has, or what tells them there, as variables: what is in the database
    was encrypted with them."""
    path = os.path.join(home, "airflow.cfg")
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(files.text(path))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error) as err:
        raise Refused("{}: its keys cannot be read: {}".format(path, files.why_unread(err))) from err
    found = {}
    for name, section, key in (
        (settings.FERNET_KEY, "core", "fernet_key"), (settings.SECRET_KEY, "webserver", "secret_key")
    ):  # fmt: skip
        value = parser.get(section, key, fallback="").strip()
        if value not in _NO_SECRET:
            # The file writes %% for %.
            found[name] = value.replace("%%", "%")
        for ending in _TELLS:
            if parser.has_option(section, key + ending.lower()):
                found[name + ending] = parser.get(section, key + ending.lower())
    return found


def _fernet_key():
    return base64.urlsafe_b64encode(os.urandom(32)).decode("ascii")


def _secret_key():
    return base64.b16encode(os.urandom(30)).decode("ascii").lower()


def _shipped():
    """The variables of the shipped file, also those that are commented out, with their values."""
    with open(environment_path(), encoding="utf-8") as stream:
        lines = [line.lstrip("#") for line in stream if _LINE.match(line)]
    return {name: value for _, name, value in environment.parse("".join(lines))}


def _own(known, keys):
    """The variables that the shipped file does not have: those of the file before, and what tells keys in this shell,
    which a service does not have."""
    shipped = _shipped()
    own = {
        name + ending: os.environ[name + ending]
        for name, value in keys.items()
        for ending in _TELLS
        if value is None and os.environ.get(name + ending) and not any(name + each in known for each in _TELLS)
    }
    own.update({name: value for name, value in known.items() if name not in shipped})
    return own


def _text(values, own):
    """The shipped file with these values in their places, and one's own variables at the end."""
    lines = []
    with open(environment_path(), encoding="utf-8") as stream:
        for line in stream:
            match = _LINE.match(line)
            if match is None or match.group(1) not in values:
                lines.append(line)
            elif values[match.group(1)] is None:
                # Told in another way, over which a value here would win.
                lines.append("#" + line.lstrip("#"))
            else:
                lines.append(_assignment(match.group(1), values[match.group(1)]))
    if own:
        lines += ["\n", "# Variables that this file has not by default.\n"]
        lines += [_assignment(name, value) for name, value in own.items()]
    return "".join(lines)


def _assignment(name, value):
    try:
        return "{}={}\n".format(name, environment.quoted(value))
    except ValueError as err:
        raise Refused("{}: {}".format(name, err)) from err


def _said(path, values, keys, known):
    """What a person should know and do next."""
    same = [name for name, value in known.items() if values.get(name, value) == value]
    if known:
        yield "as before: {}".format(", ".join(same) or "nothing")
    for name in sorted(values):
        old, new = known.get(name), values[name]
        if name not in keys and old is not None and new is not None and old != new:
            shown = masking.shown(name, new), masking.shown(name, old)
            yield "{} is {} now, and was {}".format(name, *shown)
    for name, value in keys.items():
        if value is None:
            yield "{} stays as it is: a command or a secret tells it".format(name)
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
        parser.read_string(files.text(path))
    for name, key in ((settings.DATABASE, "sql_alchemy_conn"), (settings.EXECUTOR, "executor")):
        other = parser.get("core", key, fallback=values[name])
        if values[name] is not None and other != values[name]:
            yield "{}: {} = {} there; {} counts".format(
                path, key, masking.shown(name, other), masking.shown(name, values[name])
            )
