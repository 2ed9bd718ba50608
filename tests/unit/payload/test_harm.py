"""What others leave in the way of the payload: links, pipes, code, damaged records. None does harm, each is told."""

from __future__ import annotations

import json
import os
import shlex
import socket
import stat
import subprocess
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from payload_fixtures import Installed, bare
from test_services import CELERY
from test_upgrade_check import NOTHING_ELSE, index, publish, settings, with_pip

from astronomer_certified.payload import environment, files, masking, record, running, say, upgrade_check
from astronomer_certified.payload import settings as names
from astronomer_certified.payload.effective import Effective
from astronomer_certified.payload.refusals import Refused

__all__ = ["index", "with_pip"]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
POSTGRES = "postgresql://airflow:pw@db/airflow"
RECORD = "astronomer_certified/release.json"
# A user without a name: of a container.
NOBODY_KNOWN = 123456


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text(CELERY)
    path.chmod(0o600)
    return path


def values(path: Path) -> dict[str, str]:
    return {name: value for name, (value, _) in environment.read(str(path)).items()}


# --- links and devices


def test_a_unit_that_is_masked_stays_so(installed: Installed, tmp_path: Path, file: Path) -> None:
    folder, device = tmp_path / "units", tmp_path / "null"
    folder.mkdir()
    device.write_text("stands for /dev/null\n")
    (folder / "airflow-flower.service").symlink_to(device)
    done = installed.run("units", folder, "--file", file, "--force", home=tmp_path, status=1)
    assert "airflow-flower.service is a link to" in done.stderr
    assert "systemctl unmask" in done.stderr
    assert device.read_text() == "stands for /dev/null\n"
    assert sorted(path.name for path in folder.iterdir()) == ["airflow-flower.service"]


def test_no_device_is_replaced(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(os.devnull)
    with pytest.raises(OSError, match="no ordinary file"):
        files.replace(str(link), "text")
    assert not stat.S_ISREG(Path(os.devnull).stat().st_mode)


@as_root
def test_a_link_of_another_user_is_followed_by_nobody(installed: Installed, tmp_path: Path, file: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    os.chown(link, NOBODY_KNOWN, NOBODY_KNOWN, follow_symlinks=False)
    done = installed.run("init", "--file", link, "--force", home=tmp_path, status=1)
    assert "a link that another user has made" in done.stderr
    assert file.read_text() == CELERY
    with pytest.raises(Refused, match="remove it first"):
        files.replace(str(link), "text")


@as_root
@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("way", ["folder", "behind one of ours"])
def test_a_link_of_another_user_on_the_way_is_followed_by_nobody(
    installed: Installed, tmp_path: Path, way: str, force: list[str]
) -> None:
    real, theirs = tmp_path / "real", tmp_path / "theirs"
    real.mkdir()
    if force:
        (real / "file").write_text("A=1\n")
    theirs.symlink_to(real)
    os.chown(theirs, NOBODY_KNOWN, NOBODY_KNOWN, follow_symlinks=False)
    (tmp_path / "ours").symlink_to("theirs/../theirs")
    path = (theirs if way == "folder" else tmp_path / "ours") / "file"
    done = installed.run("init", "--file", path, *force, home=tmp_path, status=1)
    assert f"{theirs} is a link that another user has made; remove it first" in done.stderr
    assert [each.read_text() for each in real.iterdir()] == (["A=1\n"] if force else [])


@pytest.mark.parametrize("verb", ["env", "doctor"])
def test_a_pipe_is_not_waited_for(installed: Installed, tmp_path: Path, verb: str) -> None:
    pipe = tmp_path / "file"
    os.mkfifo(pipe)
    done = installed.run(verb, "--file", pipe, home=tmp_path, status=1)
    assert "is no ordinary file" in done.stdout + done.stderr


def test_a_pipe_for_airflow_cfg_is_told(installed: Installed, tmp_path: Path, file: Path) -> None:
    file.write_text(CELERY.replace("/srv/airflow", str(tmp_path)))
    os.mkfifo(tmp_path / "airflow.cfg")
    done = installed.run("doctor", "--file", file, home=tmp_path, status=1)
    assert "airflow.cfg: is no ordinary file" in done.stdout
    assert len(environment.read(str(file))) == 4


def test_a_file_without_end_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(OSError, match="has more than 1048576 bytes"):
        files.content(str(path))


# --- init --force


def test_what_no_option_says_stays(installed: Installed, tmp_path: Path) -> None:
    path = tmp_path / "file"
    words = ["--home", "/srv/own", "--database", POSTGRES, "--broker", "redis://r:6379/1"]
    installed.run("init", "--file", path, *words, home=tmp_path)
    changed = {
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__WEBSERVER__BASE_URL": "https://flow.example",
        "ASTRONOMER_USER": "flow", "AIRFLOW__CELERY__RESULT_BACKEND": "redis://r:6379/2",
    }  # fmt: skip
    lines = [
        f"{name}={changed[name]}" if (name := line.split("=")[0]) in changed else line
        for line in path.read_text().splitlines()
        if not line.startswith(names.FERNET_KEY)
    ]
    path.write_text("\n".join(lines) + "\n")
    before = values(path)

    installed.run("init", "--file", path, "--force", home=tmp_path)

    after = values(path)
    assert after.pop(names.FERNET_KEY)
    assert after == before


def test_an_option_says_what_changes(installed: Installed, tmp_path: Path) -> None:
    path = tmp_path / "file"
    installed.run("init", "--file", path, "--home", "/srv/own", home=tmp_path)
    done = installed.run("init", "--file", path, "--force", "--database", POSTGRES, home=tmp_path)
    assert (values(path)[names.DATABASE], values(path)[names.EXECUTOR]) == (POSTGRES, "LocalExecutor")
    assert f"{names.DATABASE} is postgresql://***@db/airflow now, and was sqlite:////srv/own" in done.stderr
    done = installed.run("init", "--file", path, "--force", "--broker", "redis://r:6379/0", home=tmp_path)
    assert (values(path)[names.EXECUTOR], values(path)[names.RESULTS]) == ("CeleryExecutor", f"db+{POSTGRES}")
    installed.run("init", "--file", path, "--force", "--home", "/srv/other", home=tmp_path)
    assert (values(path)[names.HOME], values(path)[names.DATABASE]) == ("/srv/other", POSTGRES)


def test_what_the_file_before_does_not_set_stays_with_airflow_cfg(installed: Installed, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(f"AIRFLOW_HOME={tmp_path}\nMINE=1\n")
    done = installed.run("init", "--file", path, "--force", home=tmp_path)
    assert values(path).keys() == {names.HOME, "MINE", names.FERNET_KEY, names.SECRET_KEY, names.PYTHON}
    assert "\n#AIRFLOW__CORE__EXECUTOR=SequentialExecutor\n" in path.read_text()
    assert "as before: AIRFLOW_HOME, MINE\n" in done.stderr


QUEUED = {
    names.EXECUTOR: "CeleryExecutor", names.DATABASE: POSTGRES, names.BROKER: "redis://r/0",
    names.RESULTS: f"db+{POSTGRES}",
}  # fmt: skip
UNQUEUED = {names.EXECUTOR: "LocalExecutor", names.DATABASE: POSTGRES, names.BROKER: "redis://redis:6379/0"}
OTHER = "postgresql://elsewhere/airflow"
CHANGES: list[tuple[dict[str, str], list[str], dict[str, str]]] = [
    (QUEUED, [], {}),
    (QUEUED, ["--database", OTHER], {names.DATABASE: OTHER, names.RESULTS: f"db+{OTHER}"}),
    ({**QUEUED, names.RESULTS: "redis://x/1"}, ["--database", OTHER], {names.DATABASE: OTHER}),
    (QUEUED, ["--broker", "redis://s/0"], {names.BROKER: "redis://s/0"}),
    (QUEUED, ["--executor", "LocalExecutor"], {names.EXECUTOR: "LocalExecutor"}),
    (
        UNQUEUED, ["--broker", "redis://s/0"],
        {names.EXECUTOR: "CeleryExecutor", names.BROKER: "redis://s/0", names.RESULTS: f"db+{POSTGRES}"},
    ),
    ({**UNQUEUED, names.EXECUTOR: "KubernetesExecutor"}, ["--database", OTHER], {names.DATABASE: OTHER}),
    # Nothing of it is named, so nothing of it is looked at: doctor says what is wrong.
    ({names.EXECUTOR: "Celery", names.DATABASE: "oracle://db/a"}, [], {}),
]  # fmt: skip


@pytest.mark.parametrize(("before", "words", "changed"), CHANGES)
def test_only_what_is_named_changes_and_what_followed_from_it(
    installed: Installed, tmp_path: Path, before: dict[str, str], words: list[str], changed: dict[str, str]
) -> None:
    path = tmp_path / "file"
    path.write_text("".join(f"{name}={environment.quoted(value)}\n" for name, value in before.items()))
    installed.run("init", "--file", path, "--force", "--home", "/srv", *words, home=tmp_path)
    ours = (names.HOME, names.PYTHON, names.FERNET_KEY, names.SECRET_KEY)
    found = {name: value for name, value in values(path).items() if name not in ours}
    assert found == {**before, **changed}


def test_the_advice_of_doctor_on_a_missing_key_is_true_of_that_file(installed: Installed, tmp_path: Path) -> None:
    path = tmp_path / "my file"
    path.write_text(f"AIRFLOW_HOME={tmp_path}\n{names.FERNET_KEY}=\nMINE=1\n")
    results = json.loads(installed.run("doctor", "--json", "--file", path, home=tmp_path, status=1).stdout)
    [advice] = [item["advice"] for item in results if item["check"] == "Fernet key"]
    words, _, rest = advice.partition(" makes one ")
    assert rest == "and keeps the rest"
    installed.run(*shlex.split(words)[1:], home=tmp_path)
    found = values(path)
    assert len(found[names.FERNET_KEY]) == 44
    assert (found[names.HOME], found["MINE"]) == (str(tmp_path), "1")
    assert names.DATABASE not in found


def test_advice_with_a_path_can_be_typed(installed: Installed, tmp_path: Path) -> None:
    home = tmp_path / "my home"
    home.mkdir()
    home.chmod(0o777)
    done = installed.run("doctor", home=tmp_path, status=1, AIRFLOW_HOME=str(home))
    assert f"chmod o-w '{home}'\n" in done.stdout


def test_a_database_that_a_command_tells_is_not_overruled(installed: Installed, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(f"{names.DATABASE}_CMD=/bin/database\n{names.EXECUTOR}=LocalExecutor\n")
    installed.run("init", "--file", path, "--force", home=tmp_path)
    assert names.DATABASE not in values(path)
    assert values(path)[f"{names.DATABASE}_CMD"] == "/bin/database"
    assert values(path)[names.EXECUTOR] == "LocalExecutor"


@pytest.mark.parametrize("where", ["airflow.cfg", "shell"])
def test_no_key_is_made_where_a_command_tells_it(installed: Installed, tmp_path: Path, where: str) -> None:
    env = {}
    if where == "shell":
        env[f"{names.FERNET_KEY}_CMD"] = "cat /run/key"
    else:
        (tmp_path / "airflow.cfg").write_text("[core]\nfernet_key_cmd = cat /run/key\n")
    path = tmp_path / "file"
    done = installed.run("init", "--file", path, "--home", tmp_path, home=tmp_path, **env)
    assert names.FERNET_KEY not in values(path)
    assert f"{names.FERNET_KEY} stays as it is: a command or a secret tells it" in done.stderr
    # A service has nothing of this shell.
    assert (f"{names.FERNET_KEY}_CMD" in values(path)) == (where == "shell")


@pytest.mark.parametrize("ending", ["_CMD", "_SECRET"])
@pytest.mark.parametrize("key", [names.FERNET_KEY, names.SECRET_KEY])
@pytest.mark.parametrize("where", ["file", "shell", "airflow.cfg"])
def test_a_key_in_use_stays_whatever_else_would_tell_it(
    installed: Installed, tmp_path: Path, where: str, key: str, ending: str
) -> None:
    """Airflow takes the value of the file before anything else."""
    path, teller = tmp_path / "file", f"{key}{ending}"
    path.write_text(f"{key}=inuse\n" + (f"{teller}=/bin/key\n" if where == "file" else ""))
    if where == "airflow.cfg":
        section = "core" if key == names.FERNET_KEY else "webserver"
        option = teller.split("__")[2].lower()
        (tmp_path / "airflow.cfg").write_text(f"[{section}]\n{option} = /bin/key\n")
    env = {teller: "/bin/key"} if where == "shell" else {}
    installed.run("init", "--file", path, "--home", tmp_path, "--force", home=tmp_path, **env)
    assert values(path)[key] == "inuse"
    assert (teller in values(path)) == (where == "file")


def test_passwords_need_not_stand_in_a_command(installed: Installed, tmp_path: Path) -> None:
    path = tmp_path / "file"
    env = {names.DATABASE: POSTGRES, names.BROKER: "redis://:pw@r:6379/0"}
    installed.run("init", "--file", path, home=tmp_path, **env)
    found = values(path)
    assert {name: found[name] for name in env} == env
    assert found[names.EXECUTOR] == "CeleryExecutor"


@pytest.mark.parametrize(("before", "after"), [(0o640, 0o640), (0o644, 0o600), (0o600, 0o600), (0o660, 0o640)])
def test_a_group_that_could_read_the_file_still_can(file: Path, before: int, after: int) -> None:
    file.chmod(before)
    files.replace(str(file), "A=1\n")
    assert stat.S_IMODE(file.stat().st_mode) == after


@as_root
def test_the_group_that_could_read_the_file_is_the_same(file: Path) -> None:
    os.chown(file, -1, NOBODY_KNOWN)
    file.chmod(0o640)
    files.replace(str(file), "A=1\n")
    assert (file.stat().st_gid, stat.S_IMODE(file.stat().st_mode)) == (NOBODY_KNOWN, 0o640)


def test_what_a_killed_init_has_left_is_removed(tmp_path: Path) -> None:
    old, young, other = (
        tmp_path / name for name in (".astronomer-certified-old", ".astronomer-certified-new", "other")
    )
    for path in (old, young, other):
        path.write_text("keys\n")
    for path in (old, other):
        os.utime(path, (0, 0))
    files.write_new(str(tmp_path / "file"), "A=1\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".astronomer-certified-new", "file", "other"]


def test_a_sign_that_must_be_written_otherwise_is_named(installed: Installed, tmp_path: Path) -> None:
    words = ["--database", "postgresql://u:pa#ss@db/airflow"]
    done = installed.run("init", "--file", tmp_path / "file", *words, home=tmp_path, status=1)
    assert "has # or ? in its login; write %23" in done.stderr
    assert "pa#ss" not in done.stderr


# --- code of others


@as_root
def test_root_becomes_the_owner_of_a_folder_also_if_that_has_no_name(tmp_path: Path) -> None:
    os.chown(tmp_path, NOBODY_KNOWN, NOBODY_KNOWN + 1)
    become = running._as_owner(str(tmp_path))
    done = subprocess.run(["id"], preexec_fn=become, cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout == f"uid={NOBODY_KNOWN} gid={NOBODY_KNOWN + 1} groups={NOBODY_KNOWN + 1}\n"


def test_no_module_of_the_folder_is_imported(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('code of the folder')\n")
    effective = Effective({names.HOME: str(tmp_path)}, dict(os.environ))
    assert running._asked("import json; print('DOCTOR' + json.dumps([1]))", effective) == ([1], "")


def test_no_pip_of_the_current_folder_is_run(with_pip: Installed, tmp_path: Path, index: Path) -> None:
    publish(index, 5)
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__init__.py").touch()
    (tmp_path / "pip" / "__main__.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with_pip.run("upgrade-check", home=tmp_path, status=3, **settings(index))
    assert not (tmp_path / "ran").exists()


def test_an_index_in_a_folder_is_meant_from_where_one_is(with_pip: Installed, tmp_path: Path) -> None:
    project = tmp_path / "simple" / "astronomer-certified"
    project.mkdir(parents=True)
    name = publish(project, 5).name
    (project / "index.html").write_text(f"<!DOCTYPE html><html><body><a href='{name}'>{name}</a></body></html>")
    done = with_pip.run("upgrade-check", "--index-url", "simple", home=tmp_path, status=3, **NOTHING_ELSE)
    assert "the index has 2.1.0.post5" in done.stdout


def test_the_password_of_an_index_stands_in_no_command(with_pip: Installed, tmp_path: Path) -> None:
    seen = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://user:hidden@127.0.0.1:{server.getsockname()[1]}/simple/"

        def look() -> None:
            connection, _ = server.accept()
            with connection:
                for path in Path("/proc").glob("[0-9]*/cmdline"):
                    try:
                        seen.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                    except OSError:
                        continue

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        with_pip.run("upgrade-check", "--index-url", address, home=tmp_path, status=1, PIP_RETRIES="0", **NOTHING_ELSE)
        thread.join(20)
    asked = [line for line in seen if " pip " in line and "download" in line and str(with_pip.folder) in line]
    assert asked
    assert not any("hidden" in line for line in asked)


# --- secrets


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        (names.DATABASE, "postgresql://air@srv:hidden@srv.example/airflow", "srv.example/airflow"),
        (names.DATABASE, "postgresql://air:hid den@db/airflow", "postgresql://***@db/airflow"),
        ("AIRFLOW__CELERY__FLOWER_BASIC_AUTH", "user:hidden", "***"),
        ("AIRFLOW__CELERY__OPTIONS", '{"password": "hid\\"den", "a": 1}', '"a": 1'),
        ("AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__SENTINEL_KWARGS", '{"password": "hidden"}', "***"),
        ("SENTRY_DSN", "https://hidden@sentry.example/1", "***"),
        ("AIRFLOW_GIT", "https://hidden@git.example/dags", "https://***@git.example/dags"),
        ("AIRFLOW_CONN_G", "google-cloud-platform://?extra__keyfile_dict=hidden&a=1", "***"),
        ("AIRFLOW_CONN_H", "http://h/?Authorization=Bearer%20hidden&b=2", "***"),
    ],
)
def test_a_secret_of_another_kind_is_not_shown(name: str, value: str, kept: str) -> None:
    shown = masking.shown(name, value)
    assert not {"hidden", "hid den", "hid"} & set(shown.replace('"', " ").replace("@", " ").split())
    assert "hid" not in shown
    assert kept in shown


def test_what_airflow_cfg_says_stands_in_no_message(installed: Installed, tmp_path: Path, file: Path) -> None:
    (tmp_path / "airflow.cfg").write_text("[core]\nfernet_key hidden\n")
    file.write_text(CELERY.replace("/srv/airflow", str(tmp_path)))
    doctor = installed.run("doctor", "--file", file, home=tmp_path, status=1)
    init = installed.run("init", "--home", tmp_path, "--file", tmp_path / "new", home=tmp_path, status=1)
    for said in (doctor.stdout, init.stderr):
        assert "airflow.cfg: " in said
        assert "line 2 is no setting" in said
        assert "hidden" not in said


# --- run


def test_the_name_of_the_file_behind_a_service_is_refused(installed: Installed, tmp_path: Path, file: Path) -> None:
    done = installed.run(
        "run", "scheduler", "--file", file, home=tmp_path, status=1, ASTRONOMER_CERTIFIED_FILE=str(file)
    )
    assert "--file stands before the service" in done.stderr


def test_an_executor_of_the_shell_counts_where_the_file_has_none(
    installed: Installed, tmp_path: Path, file: Path
) -> None:
    file.write_text("AIRFLOW_HOME=/srv/airflow\n")
    done = installed.run("run", "--file", file, "worker", home=tmp_path, AIRFLOW__CORE__EXECUTOR="CeleryExecutor")
    assert done.stdout.startswith("airflow celery worker")


def test_an_executor_of_airflow_cfg_counts_where_the_file_has_none(
    installed: Installed, tmp_path: Path, file: Path
) -> None:
    file.write_text(f"AIRFLOW_HOME={tmp_path}\n")
    (tmp_path / "airflow.cfg").write_text("[core]\nexecutor = CeleryExecutor\n")
    assert installed.run("run", "--file", file, "worker", home=tmp_path).stdout.startswith("airflow celery worker")
    done = installed.run("units", tmp_path / "units", "--file", file, home=tmp_path)
    assert "airflow-scheduler airflow-worker\n" in done.stderr


@pytest.mark.parametrize("fault", ["long", "interpreter", "folder"])
def test_what_cannot_be_started_is_told(installed: Installed, tmp_path: Path, file: Path, fault: str) -> None:
    kept = installed.airflow.read_text()
    try:
        if fault == "long":
            file.write_text(CELERY + f"LONG={'x' * 200_000}\n")
        elif fault == "interpreter":
            installed.airflow.write_text("#!/nowhere/python\n")
        else:
            installed.airflow.unlink()
            installed.airflow.mkdir()
        done = installed.run("run", "--file", file, "webserver", home=tmp_path, status=1)
    finally:
        if installed.airflow.is_dir():
            installed.airflow.rmdir()
        installed.airflow.write_text(kept)
        installed.airflow.chmod(0o755)
    assert len(done.stderr.splitlines()) == 1
    assert {
        "long": "longer than the kernel hands on", "interpreter": "install apache-airflow again",
        "folder": "no program airflow in",
    }[fault] in done.stderr  # fmt: skip


# --- units


def test_advice_for_root_is_quoted_and_makes_every_folder(installed: Installed, tmp_path: Path, file: Path) -> None:
    text = CELERY.replace("/srv/airflow", '"/srv/my airflow;id"') + "AIRFLOW__LOGGING__BASE_LOG_FOLDER=/var/log/flow\n"
    file.write_text(text)
    done = installed.run("units", tmp_path / "units", "--file", file, home=tmp_path)
    assert "-m 0750 '/srv/my airflow;id'\n" in done.stderr
    assert "-m 0750 /var/log/flow\n" in done.stderr
    assert "--home-dir '/srv/my airflow;id' astro" in done.stderr


def test_no_folder_that_is_there_is_given_away(installed: Installed, tmp_path: Path, file: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    file.write_text(CELERY.replace("postgresql://db/airflow", f"sqlite:///{shared}/airflow.db"))
    done = installed.run("units", tmp_path / "units", "--file", file, home=tmp_path)
    assert "-m 0750 /srv/airflow\n" in done.stderr
    assert str(shared) not in done.stderr
    assert f" {shared}\n" in (tmp_path / "units" / "airflow-worker.service").read_text()


def test_a_number_that_is_none_is_refused(installed: Installed, tmp_path: Path, file: Path) -> None:
    file.write_text(CELERY + 'ASTRONOMER_UID="5000; touch /tmp/x"\n')
    done = installed.run("units", tmp_path / "units", "--file", file, home=tmp_path, status=1)
    assert "which is no number of a user" in done.stderr


# --- words of others


def test_no_word_of_others_is_an_order_for_the_terminal() -> None:
    assert say.printable("a\x1b[2Jb\nok  database\udcff") == "a\\x1b[2Jb\\nok  database\\udcff"
    assert say.printable("schön") == "schön"


def test_a_value_is_shown_whatever_the_terminal_takes(installed: Installed, tmp_path: Path, file: Path) -> None:
    file.write_text(CELERY + 'MINE="schön"\n', encoding="utf-8")
    done = installed.run("env", "--file", file, home=tmp_path, LANG="C", LC_ALL="C", PYTHONIOENCODING="ascii")
    assert "MINE=sch\\xf6n" in done.stdout


@pytest.mark.parametrize("broken", [{"pythons": None}, {"apache-airflow": 5}, {"patches": [5]}])
def test_a_record_of_another_shape_is_refused(broken: dict[str, object]) -> None:
    whole = {
        "format": record.FORMAT, "tag": "2.1.0-4", "version": "2.1.0.post4", "apache-airflow": "2.1.0+astro.4",
        "pythons": ["3.8"], "certificate": "it", "patches": [], "vulnerabilities": [],
    }  # fmt: skip
    assert record.of(whole).tag == "2.1.0-4"
    with pytest.raises(Refused, match="lacks something"):
        record.of({**whole, **broken})


def repacked(path: Path, change: Callable[[dict[str, Any]], bytes]) -> bytes:
    """The wheel with another release.json."""
    with zipfile.ZipFile(path) as wheel:
        members = {each: wheel.read(each) for each in wheel.namelist()}
    members[RECORD] = change(json.loads(members[RECORD]))
    with zipfile.ZipFile(path, "w") as wheel:
        for each, content in members.items():
            wheel.writestr(each, content)
    return path.read_bytes()


DAMAGED: dict[str, str] = {
    "id": "release.json lacks something that it must have: a value is no text",
    "distribution": "release.json lacks something that it must have: a value is no text",
    "format": "release.json has format that is no number, and this command reads 2",
    "patches": "release.json lacks something that it must have: a value is no list",
    "deep": "release.json cannot be read (RecursionError)",
    "number": "release.json is no JSON",
    "encrypted": "release.json is encrypted",
    "compression": "release.json is compressed as no wheel is",
    "deflate": "release.json cannot be read (error)",
    "gone": "it has no release.json",
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_wheel_is_told_by_what_is_wrong_with_it(index: Path, kind: str) -> None:
    path = publish(index, 5)
    assert isinstance(upgrade_check._record_in(str(path)), record.Record)

    def changed(whole: dict[str, Any]) -> bytes:
        whole["vulnerabilities"][0]["id"] = ["a"] if kind == "id" else "CVE-2026-0001"
        whole["patches"][0]["distribution"] = ["a"] if kind == "distribution" else "apache-airflow"
        if kind in ("format", "patches"):
            whole[kind] = [[1]] if kind == "format" else {"a": 1}
        texts = {"deep": b"[" * 100_000, "number": b'{"format": ' + b"9" * 100_000 + b"}"}
        return texts.get(kind, json.dumps(whole).encode())

    data = bytearray(repacked(path, changed))
    # Where the directory of the archive has this member: flags and method stand before its name.
    at = data.rindex(RECORD.encode()) - 46
    data[at + 8] |= kind == "encrypted"
    if kind in ("compression", "deflate"):
        data[at + 10] = 14 if kind == "compression" else zipfile.ZIP_DEFLATED
        # In its own header, too, or the two contradict each other.
        data[data.index(RECORD.encode()) - 22] = data[at + 10]
    path.write_bytes(data.replace(RECORD.encode(), RECORD.encode()[:-1] + b"x") if kind == "gone" else data)
    said = upgrade_check._record_in(str(path))
    assert isinstance(said, str)
    # What is nested too deeply for one Python is only no JSON for another.
    assert said.replace("its ", "") in (DAMAGED[kind], DAMAGED["number"] if kind == "deep" else "")


@pytest.mark.parametrize("broken", [{"pythons": None}, {"pythons": [3.8]}, {"apache-airflow": 5}, {"tag": "\ud800"}])
def test_a_broken_record_of_the_release_is_told_by_every_verb(
    installed: Installed, tmp_path: Path, file: Path, broken: dict[str, object]
) -> None:
    path = installed.site / "astronomer_certified" / "release.json"
    whole = path.read_bytes()
    path.write_text(json.dumps({**json.loads(whole), **broken}))
    try:
        for words in (
            ["version"], ["constraints", "--python", "2.7"], ["info"], ["upgrade-check"], ["doctor", "--file", file],
            ["units", tmp_path / "units", "--file", file], ["run", "--file", file, "webserver"],
            ["init", "--file", tmp_path / "new"],
        ):  # fmt: skip
            done = installed.run(*words, home=tmp_path, status=1)
            assert f"it says nothing of {next(iter(broken))}; install" in done.stdout + done.stderr
    finally:
        path.write_bytes(whole)


def test_words_of_a_wheel_forge_no_line(with_pip: Installed, tmp_path: Path, index: Path) -> None:
    def changed(whole: dict[str, Any]) -> bytes:
        whole["vulnerabilities"][1].update(id="CVE-2026-0009", summary="\x1b[2J\ud800\nforged", status="fixed")
        return json.dumps(whole).encode()

    repacked(publish(index, 5), changed)
    done = with_pip.run("upgrade-check", home=tmp_path, status=3, **settings(index))
    assert "CVE-2026-0009: \\x1b[2J\\ud800\\nforged" in done.stdout


@pytest.mark.parametrize("words", [("info", "--json"), ("env",), ("--help",), ("environment",)])
def test_who_reads_no_more_is_no_fault(
    installed: Installed, tmp_path: Path, file: Path, words: tuple[str, ...]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    more = ["--file", file] if words == ("env",) else []
    program = [installed.folder / "bin" / "astronomer-certified", *words, *more]
    env = bare(tmp_path)
    done = subprocess.run(program, env=env, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    # The argparse of a newer Python finds nothing wrong with it.
    assert done.returncode in ((0, 1) if words == ("--help",) else (1,))
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ('"$0" --help > /dev/full', "what is printed: No space left on device"),
        ('"$0" version > /dev/full', "what is printed: No space left on device"),
        ('"$0" version >&-', "what is printed: Bad file descriptor"),
        ('"$0" info --json >&-', "what is printed: Bad file descriptor"),
        # Nobody can be told; the status tells.
        ('"$0" env --file /nowhere 2> /dev/full', ""),
        ('"$0" env --file /nowhere 2>&-', ""),
    ],
)
def test_a_stream_that_takes_nothing_is_told_once_and_by_the_status(
    installed: Installed, tmp_path: Path, words: str, said: str
) -> None:
    program = installed.folder / "bin" / "astronomer-certified"
    line = ["sh", "-c", words, program]
    done = subprocess.run(line, env=bare(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (f"astronomer-certified: {said}\n" if said else "")


def test_a_full_disk_under_what_is_printed_is_told(installed: Installed, tmp_path: Path, file: Path) -> None:
    with Path("/dev/full").open("w") as full:
        program = [installed.folder / "bin" / "astronomer-certified", "env", "--file", file]
        done = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "astronomer-certified: what is printed: No space left on device\n"


# --- doctor


def test_a_sentinel_is_asked_for_its_master(installed: Installed, tmp_path: Path, file: Path) -> None:
    text = CELERY.replace("/srv/airflow", str(tmp_path)) + "AIRFLOW__CELERY__BROKER_URL=sentinel://s:26379/0\n"
    file.write_text(text)
    said = installed.run("doctor", "--file", file, home=tmp_path, status=1).stdout
    assert "No master found" in said
    file.write_text(text + "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__MASTER_NAME=mymaster\n")
    said = installed.run("doctor", "--file", file, home=tmp_path, status=1).stdout
    assert "No master found" not in said


def test_a_file_that_a_group_may_write_is_warned_of(installed: Installed, tmp_path: Path, file: Path) -> None:
    file.chmod(0o660)
    said = installed.run("doctor", "--file", file, home=tmp_path, status=1).stdout
    assert "may write it, and so make services do anything; chmod g-w" in said


def test_what_a_broker_misses_is_named(installed: Installed, tmp_path: Path, file: Path) -> None:
    file.write_text(CELERY.replace("/srv/airflow", str(tmp_path)) + "AIRFLOW__CELERY__BROKER_URL=sqs://\n")
    said = installed.run("doctor", "--file", file, home=tmp_path, status=1).stdout
    assert "install what has the module botocore for Python" in said
    assert "extras celery and redis" not in said


@pytest.mark.parametrize("lang", ["C", "C.UTF-8"])
def test_names_of_logs_neither_stop_doctor_nor_forge_its_lines(
    installed: Installed, tmp_path: Path, file: Path, lang: str
) -> None:
    (tmp_path / "logs").mkdir()
    for name in (b"caf\xe9.log", b"a\nok  database  all is well"):
        path = tmp_path / "logs" / os.fsdecode(name)
        path.touch()
        path.chmod(0o666)
    file.write_text(CELERY.replace("/srv/airflow", str(tmp_path)))
    done = installed.run("doctor", "--file", file, home=tmp_path, status=1, LANG=lang, LC_ALL=lang)
    [line] = [line for line in done.stdout.splitlines() if "log folders" in line]
    assert "a\\nok  database" in line
    assert "e9.log" in line
    assert not [line for line in done.stdout.splitlines() if line.startswith("ok  database  all is well")]


def test_a_pipe_for_the_settings_of_the_website_is_not_waited_for(
    installed: Installed, tmp_path: Path, file: Path
) -> None:
    file.write_text(CELERY.replace("/srv/airflow", str(tmp_path)))
    os.mkfifo(tmp_path / "webserver_config.py")
    assert "executor" in installed.run("doctor", "--file", file, home=tmp_path, status=1).stdout
