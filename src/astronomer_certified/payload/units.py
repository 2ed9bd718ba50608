"""`units DIR`: systemd units that run the services with the environment file, with as few rights as they need."""

import os
import re
import shlex

from . import environment, files, release, say, services, settings
from .effective import Effective
from .refusals import Refused

TARGET = "airflow.target"

_TARGET = """\
[Unit]
Description=Airflow (Astronomer Certified {tag})
Documentation=man:systemd.target(5)

[Install]
WantedBy=multi-user.target
"""

_UNIT = """\
[Unit]
Description=Airflow {service} (Astronomer Certified {tag})
After=network-online.target postgresql.service mariadb.service redis-server.service
Wants=network-online.target
PartOf={target}

[Service]
User={user}
# What stands in the file wins over these two.
Environment="PATH={path}"
{environment}EnvironmentFile={file}
WorkingDirectory={home}
RuntimeDirectory=airflow-{service}
RuntimeDirectoryMode=0750
ExecStart={command}
Restart=on-failure
RestartSec=5s
# The first process ends its children itself; what is left then is killed.
KillMode=mixed
TimeoutStopSec={patience}

# Airflow writes in its folder and in no other. Tasks that use sudo (run_as_user) need NoNewPrivileges=no in a drop-in.
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths={writable}
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
CapabilityBoundingSet=
LockPersonality=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
UMask=0027

[Install]
WantedBy={target}
"""

# A worker that is told to end lets its tasks end first; the others wait for nobody.
_PATIENCE = {"worker": "10min"}
# Whoever reaches flower can end workers and tasks, and by default it listens everywhere and asks nobody for a password.
_ENVIRONMENT = {"flower": "Environment=AIRFLOW__CELERY__FLOWER_HOST=127.0.0.1\n"}
# Folders that Airflow writes to and that need not be in its own: 1.10 keeps the first in another section than 2.x.
_FOLDERS = (
    "AIRFLOW__CORE__BASE_LOG_FOLDER",
    "AIRFLOW__LOGGING__BASE_LOG_FOLDER",
    "AIRFLOW__SCHEDULER__CHILD_PROCESS_LOG_DIRECTORY",
)
_USER = re.compile(r"[a-z_][a-z0-9_-]*\Z")


def add(verbs):
    """The verb is known to the parser."""
    verb = verbs.add_parser("units", help="write systemd units for the services")
    verb.add_argument("folder", metavar="DIR", help="where, such as /etc/systemd/system")
    verb.add_argument("--file", help="the environment file that they read (default: where services look for it)")
    verb.add_argument("--force", action="store_true", help="replace units that are there; those before are kept")
    verb.set_defaults(run=run)


def run(args):
    """Writes the units and says what is next. Raises Refused, and before anything is written."""
    path, found = environment.found(args.file)
    values = {name: value for name, (value, _) in found.items()}
    units = texts(os.path.abspath(path), values)
    paths = {name: os.path.join(args.folder, name) for name in units}
    changed = [name for name in units if not _has(paths[name], units[name])]
    linked = [name for name in changed if os.path.islink(paths[name])]
    if linked:
        raise Refused(
            "{} is a link to {}, as of a unit that is masked; systemctl unmask {}, or remove the link, first".format(
                paths[linked[0]], os.readlink(paths[linked[0]]), linked[0]
            )
        )
    there = [name for name in changed if os.path.lexists(paths[name])]
    if there and not args.force:
        raise Refused(
            "{} is there and says something else; --force replaces it and keeps a copy, a drop-in "
            "(systemctl edit {}) changes lines of it".format(paths[there[0]], there[0])
        )
    try:
        if not os.path.isdir(args.folder):
            os.makedirs(args.folder)
        for name in changed:
            if name in there:
                say.aside("the unit before is {}".format(files.replace(paths[name], units[name], 0o644)))
            else:
                files.write_new(paths[name], units[name], 0o644)
    except OSError as err:
        raise Refused("{}: {}".format(err.filename or args.folder, err.strerror)) from err
    for name in units:
        say.line(paths[name])
    for line in _next(values):
        say.aside(line)
    return 0


def texts(path, values):
    """The units by file name, for an environment file at that path with these values. Raises Refused."""
    record = release()
    airflow = settings.airflow_of(record["apache-airflow"])
    home = values.get(settings.HOME, "")
    if not os.path.isabs(home):
        raise Refused("{}: {} is {!r}, no whole path".format(path, settings.HOME, home))
    user = values.get(settings.USER, "astro")
    if not _USER.match(user):
        raise Refused("{}: {} is {!r}, which is no name of a user".format(path, settings.USER, user))
    number = values.get(settings.UID, "5000")
    if not re.match(r"[0-9]+\Z", number):
        raise Refused("{}: {} is {!r}, which is no number of a user".format(path, settings.UID, number))
    units = {TARGET: _TARGET.format(tag=record["tag"])}
    for service in services.SERVICES:
        # In a folder that is empty after a crash: Airflow refuses to start where the file of a dead process is left.
        pid = ["--pid", "/run/airflow-{0}/{0}.pid".format(service)]
        command = [services.program(), *services.words(service, airflow), *pid]
        units["airflow-{}.service".format(service)] = _UNIT.format(
            service=service,
            tag=record["tag"],
            target=TARGET,
            user=user,
            path=_percent(services.search_path("/usr/local/bin:/usr/bin:/bin")),
            environment=_ENVIRONMENT.get(service, ""),
            file=_percent(path),
            home=_percent(home),
            command=" ".join(map(_word, command)),
            patience=_PATIENCE.get(service, "30s"),
            writable=" ".join(map(_word, _writable(home, values))),
        )
    return units


def _writable(home, values):
    """The folders that services must be able to write to."""
    folders = [home] + [values[name] for name in _FOLDERS if os.path.isabs(values.get(name, ""))]
    database = values.get(settings.DATABASE, "")
    if database.startswith("sqlite:////"):
        folders.append(os.path.dirname(database[len("sqlite:///") :]))
    outside = [folder for folder in folders[1:] if not (folder + "/").startswith(home.rstrip("/") + "/")]
    return [home, *sorted(set(outside))]


def _percent(text):
    """The text in a line of a unit, where % begins a specifier. Raises Refused for what no unit can have."""
    if "\n" in text or '"' in text or "\\" in text:
        raise Refused("{!r} has a quote, a backslash or a line feed, which systemd takes in no path".format(text))
    return text.replace("%", "%%")


def _word(text):
    """The text as one word of a list or a command."""
    text = _percent(text).replace("$", "$$")
    return '"{}"'.format(text) if re.search(r"[\s';]", text) else text


def _has(path, text):
    try:
        return files.content(path)[0] == text.encode("utf-8")
    except OSError:
        return False


def _next(values):
    """What to do with the units."""
    home, user = values[settings.HOME], values.get(settings.USER, "astro")
    chosen = ["airflow-webserver", "airflow-scheduler"]
    # A service has nothing of this shell.
    if Effective(values, {}).get("core", "executor") in settings.WITH_BROKER:
        chosen += ["airflow-worker"]
    yield "once, as root, where there is no such user:"
    yield "  useradd --system --uid {} --home-dir {} {}".format(
        values.get(settings.UID, "5000"), shlex.quote(home), user
    )
    # systemd does not start a unit that is to write to a folder that is not there.
    # One that is there may be everybody's, as /tmp is, and stays whose it is.
    for folder in [home] + [folder for folder in _writable(home, values)[1:] if not os.path.isdir(folder)]:
        yield "  install -d -o {0} -g {0} -m 0750 {1}".format(user, shlex.quote(folder))
    yield "then: systemctl daemon-reload; systemctl enable --now {} {}".format(TARGET, " ".join(chosen))
