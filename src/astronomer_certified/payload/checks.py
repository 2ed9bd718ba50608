"""What `doctor` looks at without starting anything: installation, settings, folders. One function is one check."""

import base64
import os
import re
import shlex
import stat
import sys
from collections import namedtuple

from . import constraints_path, environment, files, installed, settings
from .effective import Effective
from .refusals import Refused

OK, WARNING, FAILED, SKIPPED = "ok", "warning", "failed", "skipped"

# What a check found. `advice` says what to do; it is there whenever the status is warning or failed.
Result = namedtuple("Result", "check status found advice")
# What checks look at: the `Record` of the release or None and why; the file's path, what it sets or None and why;
# `effective` settings; the numbers of the Airflow version.
Installation = namedtuple("Installation", "record record_problem file values file_problem effective airflow")

_SHOWN = 5
# Folders with more than this are not looked through to their end.
_ENTRIES = 20000
_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;]+)\Z")


def every():
    """The checks in their order, each a function from an `Installation` to its results."""
    of_installation = (release_is_known, python, pins, core_files)
    return (*of_installation, environment_file, keys, works_together, dangerous, left_over, folders)


def some(items):
    """The first few of many, as text."""
    items = list(items)
    more = "" if len(items) <= _SHOWN else " and {} more".format(len(items) - _SHOWN)
    return ", ".join(items[:_SHOWN]) + more


def release_is_known(here):
    """release.json says which release this is."""
    if here.record is None:
        return [Result("release", FAILED, here.record_problem, "install astronomer-certified again")]
    return [Result("release", OK, "Astronomer Certified {}".format(here.record.tag), "")]


def python(here):
    """The release is for this Python, and it is the one that the file names."""
    this = "{}.{}".format(*sys.version_info)
    if here.record is not None and this not in here.record.pythons:
        return [Result("Python", FAILED, this, "use one of Python {}".format(", ".join(here.record.pythons)))]
    said = (here.values or {}).get(settings.PYTHON, this)
    if said != this:
        advice = "set {}={} in {}".format(settings.PYTHON, this, here.file)
        return [Result("Python", WARNING, "{}, and the file says {}".format(this, said), advice)]
    return [Result("Python", OK, this, "")]


def pins(here):
    """Every distribution that the release pins has that version, if it is installed at all."""
    try:
        path = constraints_path("{}.{}".format(*sys.version_info))
        with open(path, encoding="utf-8") as stream:
            lines = [_PIN.match(line.strip()) for line in stream]
    except (LookupError, OSError, Refused) as err:
        return [Result("pins", SKIPPED, str(err), "")]
    pinned = {installed.normal(match.group(1)): match.group(2) for match in lines if match}
    if here.record is not None:
        pinned["apache-airflow"] = here.record.airflow
    there = installed.distributions()
    others = [
        "{} {} (pinned: {})".format(name, there[name].version, version)
        for name, version in sorted(pinned.items())
        if name in there and there[name].version != version
    ]
    if "apache-airflow" not in there:
        others.insert(0, "apache-airflow is not installed")
    if others:
        advice = "pip install -c {} NAME==VERSION with the pinned version".format(shlex.quote(path))
        return [Result("pins", FAILED, some(others), advice)]
    count = sum(name in there for name in pinned)
    return [Result("pins", OK, "{} installed distributions have the pinned version".format(count), "")]


def core_files(here):
    """The files of the core wheel are those that it came with: no other distribution and nobody's hand changed one."""
    there = installed.distributions()
    core = there.get("apache-airflow")
    if core is None:
        return [Result("core files", SKIPPED, "apache-airflow is not installed", "")]
    advice = "pip install --force-reinstall --no-deps apache-airflow=={}, from your index".format(core.version)
    try:
        wrong = installed.changed_files(core)
    except OSError:
        return [Result("core files", FAILED, "apache-airflow has no RECORD", advice)]
    listed = installed.listed_files(there.values())
    wrong += [(path, "added") for path in installed.modules(core, "airflow") if path not in listed]
    if wrong:
        return [Result("core files", FAILED, some("{} {}".format(path, what) for path, what in wrong), advice)]
    return [Result("core files", OK, "as the core wheel has them", "")]


def environment_file(here):
    """The file can be read, and those who may not know its secrets cannot."""
    if here.values is None:
        how = "astronomer-certified init writes one"
        if os.path.exists(here.file):
            how = "put it right, or be the user who may read it"
        # What other verbs say has the advice behind it.
        return [Result("environment file", FAILED, here.file_problem.replace("; " + how, ""), how)]
    status = os.stat(here.file)
    mode = stat.S_IMODE(status.st_mode)
    if mode & stat.S_IWGRP:
        what = "the group {} may write it, and so make services do anything".format(status.st_gid)
        return [Result("environment file", WARNING, what, "chmod g-w {}".format(shlex.quote(here.file)))]
    if mode & stat.S_IROTH:
        how = "chmod o-r {}".format(shlex.quote(here.file))
        return [Result("environment file", WARNING, "everybody may read its secrets", how)]
    return [Result("environment file", OK, here.file, "")]


def keys(here):
    """Passwords of connections are encrypted, and nobody else can sign sessions."""
    found = []
    effective = here.effective
    fernet = effective.get("core", "fernet_key")
    if not effective.is_told("core", "fernet_key"):
        new = "astronomer-certified init --force --file {} makes one and keeps the rest".format(shlex.quote(here.file))
        if not fernet:
            found.append(Result("Fernet key", FAILED, "none: passwords of connections are not encrypted", new))
        elif not all(map(_is_fernet_key, fernet.split(","))):
            how = "put back the key that the connections were saved with, 32 bytes in URL-safe base64"
            found.append(Result("Fernet key", FAILED, "not 32 bytes in base64", how))
    secret = effective.get("webserver", "secret_key")
    if not effective.is_told("webserver", "secret_key") and (len(secret) < 16 or secret == "temporary_key"):  # noqa: S105
        why = "none" if not secret else "too short, or the one that everybody has"
        how = "set {} to 30 random bytes, the same on all machines".format(settings.SECRET_KEY)
        found.append(Result("secret key", FAILED, why, how))
    return found or [Result("keys", OK, "Fernet key and secret key are set", "")]


def _is_fernet_key(key):
    try:
        return len(base64.urlsafe_b64decode(key.strip().encode("ascii"))) == 32
    except ValueError:
        return False


def works_together(here):
    """Executor, database and broker are such that Airflow starts with them."""
    effective = here.effective
    if effective.cfg_problem:
        how = "put {} right".format(effective.cfg_path)
        return [Result("executor", FAILED, effective.cfg_problem, how)]
    executor = effective.get("core", "executor", "SequentialExecutor")
    database = effective.get("core", "sql_alchemy_conn", "sqlite:///")
    broker = effective.get("celery", "broker_url") if executor in settings.WITH_BROKER else ""
    try:
        settings.check_executor(executor, here.airflow)
        settings.check_together(executor, database, broker)
    except Refused as err:
        return [Result("executor", FAILED, str(err), "set {} in {}".format(settings.EXECUTOR, here.file))]
    return [Result("executor", OK, executor, "")]


def dangerous(here):
    """No setting opens what should be closed."""
    effective, old = here.effective, here.airflow < (2, 0, 0)
    found = []

    def say(what, section, key, value, status=FAILED):
        name = "AIRFLOW__{}__{}".format(section.upper(), key.upper())
        found.append(Result("settings", status, what, "set {}={}".format(name, value)))

    backends = effective.get("api", "auth_backend") + "," + effective.get("api", "auth_backends")
    if "airflow.api.auth.backend.default" in backends:
        say("the API asks nobody who they are", "api", "auth_backend", "airflow.api.auth.backend.deny_all")
    if effective.is_true("webserver", "expose_config"):
        say("the website shows the configuration with its secrets", "webserver", "expose_config", "False")
    if effective.is_true("core", "unit_test_mode"):
        say("Airflow believes that it is being tested", "core", "unit_test_mode", "False")
    if old and not (effective.is_true("webserver", "rbac") or effective.is_true("webserver", "authenticate")):
        say("the classic website asks nobody to log in", "webserver", "rbac", "True")
    if old and not effective.is_true("core", "secure_mode"):
        say("the classic website runs SQL of its users", "core", "secure_mode", "True", WARNING)
    if effective.is_true("core", "enable_xcom_pickling", "True" if old else ""):
        say("who writes XComs can run code elsewhere", "core", "enable_xcom_pickling", "False", WARNING)
    if effective.is_true("core", "load_examples", "True"):
        say("the example DAGs are loaded", "core", "load_examples", "False", WARNING)
    role = _public_role(os.path.join(effective.home, "webserver_config.py"))
    if role:
        what = "who is not logged in has the role {}".format(role)
        how = "take AUTH_ROLE_PUBLIC out of {}".format(os.path.join(effective.home, "webserver_config.py"))
        found.append(Result("settings", FAILED, what, how))
    return found or [Result("settings", OK, "none that opens what should be closed", "")]


def _public_role(path):
    try:
        match = re.search(r"^AUTH_ROLE_PUBLIC\s*=\s*['\"](\w+)['\"]", files.text(path), re.MULTILINE)
    except (OSError, UnicodeDecodeError):
        return ""
    return match.group(1) if match and match.group(1) != "Public" else ""


# What 1.10 had and 2.x does not read any more, with what is there instead.
_GONE = {
    "AIRFLOW__WEBSERVER__RBAC": "there is but one website now",
    "AIRFLOW__WEBSERVER__AUTHENTICATE": "who logs in, and how, says webserver_config.py",
    "AIRFLOW__WEBSERVER__AUTH_BACKEND": "who logs in, and how, says webserver_config.py",
    "AIRFLOW__CORE__SECURE_MODE": "charts and queries are gone",
    "AIRFLOW__CORE__STORE_SERIALIZED_DAGS": "DAGs are always serialized",
    "AIRFLOW__SCHEDULER__MAX_THREADS": "it is AIRFLOW__SCHEDULER__PARSING_PROCESSES",
}


def left_over(here):
    """No variable is there that this Airflow does not read any more: somebody may rely on it."""
    if here.airflow < (2, 0, 0) or here.values is None:
        return []
    return [
        Result("settings", WARNING, "{} is not read by Airflow 2".format(name), "take it out; {}".format(_GONE[name]))
        for name in sorted(here.values)
        if name in _GONE
    ]


def folders(here):
    """Nobody but Airflow's user, and perhaps its group, may write code, settings or logs."""
    effective = here.effective
    if not os.path.isdir(effective.home):
        how = "install -d -o {0} -g {0} -m 0750 {1}".format(
            shlex.quote(effective.environ.get(settings.USER, "astro")), shlex.quote(effective.home)
        )
        return [Result("folders", FAILED, "{} is not there".format(effective.home), how)]
    dags = effective.get("core", "dags_folder") or os.path.join(effective.home, "dags")
    found = []
    for path in (effective.home, dags, os.path.join(effective.home, "plugins")):
        if os.path.isdir(path) and os.stat(path).st_mode & stat.S_IWOTH:
            how = "chmod o-w {}".format(shlex.quote(path))
            found.append(Result("folders", FAILED, "everybody may write {}".format(path), how))
    open_logs = _writable_for_all(effective.log_folder)
    if open_logs:
        how = "chmod -R o-w {}".format(shlex.quote(effective.log_folder))
        found.append(Result("log folders", FAILED, "everybody may write {}".format(some(open_logs)), how))
    return found or [Result("folders", OK, "Airflow's own, and its logs", "")]


def _writable_for_all(folder):
    """What below a folder everybody may write, links left out."""
    found, seen = [], 0
    if os.path.isdir(folder) and os.stat(folder).st_mode & stat.S_IWOTH:
        found.append(folder)
    for above, names, others in os.walk(folder):
        for name in sorted(names + others):
            path = os.path.join(above, name)
            seen += 1
            try:
                mode = os.lstat(path).st_mode
            except OSError:
                continue
            if mode & stat.S_IWOTH and not stat.S_ISLNK(mode):
                found.append(path)
        if seen > _ENTRIES:
            break
    return found


def installation(file, record, record_problem, airflow):
    """What the checks look at, for an environment file that is named, or else that counts."""
    # Where none is, the first place is the one that advice speaks of.
    path = os.path.abspath(file) if file else environment.find(os.environ) or environment.places(os.environ)[0]
    values, problem = None, ""
    try:
        _, found = environment.found(file and path)
        values = {name: value for name, (value, _) in found.items()}
    except (Refused, environment.Malformed) as err:
        problem = str(err)
    return Installation(
        record=record,
        record_problem=record_problem,
        file=path,
        values=values,
        file_problem=problem,
        effective=Effective(values or {}, os.environ),
        airflow=airflow,
    )
