"""The image of a release, made and run: what is in it, who runs it, how it ends, and what a project can make of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from containers import IS_OLD, NAME, RELEASE, RUN, VERSION, podman, run
from packaging.utils import canonicalize_name
from packaging.version import Version

from astronomer_certified.effects.processes import free_port
from astronomer_certified.image import builders
from documented import ROOT, Terminal

pytestmark = pytest.mark.airflow

# What Debian has set-user-ID, and sudo, which the document asks for.
SETUID = {"chfn", "chsh", "gpasswd", "mount", "newgrp", "passwd", "su", "sudo", "umount"}


def test_it_has_the_release_and_says_so(image: str) -> None:
    assert RELEASE.is_named_by(run(image, "airflow", "version"))
    assert f"Astronomer Certified {RELEASE.tag}" in run(image, "astronomer-certified", "version")
    found = json.loads(podman("image", "inspect", image))[0]
    assert found["Labels"]["io.astronomer.docker.airflow.version"] == str(RELEASE.patched)
    assert found["Labels"]["org.opencontainers.image.version"] == f"{RELEASE.tag}-bookworm"
    assert found["Config"]["Entrypoint"] == ["/usr/bin/tini", "--", "/entrypoint"]
    assert found["User"] == "5000"
    # No key is in it that all who have the image would share.
    assert not [line for line in found["Config"]["Env"] if re.search(r"(FERNET|SECRET)_KEY=", line)]


def test_whoever_runs_it_is_not_root_and_may_be_anybody(image: str) -> None:
    init, dags = ("initdb", "list_dags") if IS_OLD else ("db init", "dags list")
    ask = f"id -u; airflow {init} >/dev/null && airflow {dags} | grep -c example_"
    for user in ("5000", "12345:0"):
        uid, examples = run("--user", user, image, "sh", "-c", ask).split()
        assert uid == user.partition(":")[0]
        assert int(examples) > 10
    assert run("--user", "0", image, "airflow", "webserver", "--help").startswith("usage")


def test_nothing_in_it_helps_to_become_somebody_else(image: str) -> None:
    find = "find / -xdev {} 2>/dev/null || true"
    assert "sudo" in run(image, "sh", "-c", "command -v sudo tini gosu")
    assert set(run("--user", "0", image, "sh", "-c", find.format("-perm -4000 -printf '%f\\n'")).split()) <= SETUID
    writable = find.format(r"\( -type f -perm -0002 -o -type d -perm -0002 ! -perm -1000 \) -print")
    assert run("--user", "0", image, "sh", "-c", writable) == ""
    assert run(image, "sh", "-c", "command -v gcc cc make || true") == ""


def test_pip_in_it_keeps_airflow_as_it_is(image: str) -> None:
    # The pip of Python 3.7 knows no --dry-run; what it would do goes with the container.
    said = run(image, "pip", "install", "--no-index", "apache-airflow==2.2.0", status=1)
    assert "ERROR" in said
    assert "apache-airflow" in said
    assert run(image, "pip", "check").strip() == "No broken requirements found."


def test_variables_connections_and_settings_come_from_its_environment(image: str) -> None:
    given = {
        "AIRFLOW_VAR_WORD": "from outside",
        "AIRFLOW_CONN_THERE": "postgres://ann@db.example:6543/kept",
        "AIRFLOW__CORE__PARALLELISM": "7",
    }
    ask = (
        "from airflow.configuration import conf\n"
        "from airflow.hooks.base_hook import BaseHook\n"
        "from airflow.models import Variable\n"
        "there = BaseHook.get_connection('there')\n"
        "print('seen', [Variable.get('word'), there.host, there.port, conf.getint('core', 'parallelism')])\n"
    )
    steps = ["airflow initdb >/dev/null" if IS_OLD else "airflow db init >/dev/null"]
    if RELEASE.upstream < Version("1.10.10"):
        # Variables come from the environment since then; before, the command line keeps them in the database.
        steps.append("airflow variables --set word 'from outside' >/dev/null")
    script = " && ".join([*steps, f'python -W ignore -c "{ask}" | grep ^seen'])
    words = [f"{name}={value}" for name, value in given.items()]
    said = run(*(part for word in words for part in ("--env", word)), image, "sh", "-c", script).strip()
    assert said == "seen ['from outside', 'db.example', 6543, 7]"


def test_its_bill_of_materials_has_what_is_in_it(
    image: str, record_testsuite_property: Callable[[str, object], None]
) -> None:
    bill = json.loads(run(image, "cat", "/usr/local/share/astronomer-certified/sbom.cdx.json"))
    stated: dict[str, set[tuple[str, str]]] = {kind: set() for kind in ("pypi", "deb", "generic")}
    for item in bill["components"]:
        stated[item["purl"].removeprefix("pkg:").partition("/")[0]].add((item["name"], item["version"]))
    installed = json.loads(run(image, "pip", "list", "--format", "json"))
    # What `python -m venv` brings is no part of the release.
    named = {(canonicalize_name(item["name"]), item["version"]) for item in installed} - stated["pypi"]
    assert {name for name, _ in named} <= {"pip", "setuptools"}
    assert len(stated["pypi"]) > 200
    system = run(image, "dpkg-query", "-W", "-f", "${Package} ${Version}\n").splitlines()
    assert {tuple(line.split()) for line in system} == stated["deb"]
    version = run(image, "python", "-c", "import platform; print(platform.python_version())").strip()
    assert stated["generic"] == {("cpython", version)}
    record_testsuite_property("python", version)
    for item in bill["components"]:
        if item["name"] in {"apache-airflow", "astronomer-certified"}:
            record_testsuite_property(f"wheel {item['name']}", item["hashes"][0]["content"])


@pytest.fixture
def webserver(image: str) -> Iterator[tuple[str, int]]:
    """The name of a container, on a root that cannot be written to, and the port of its webserver."""
    port, name = free_port(), f"certified-test-{os.getpid()}"
    volumes = ["--read-only", "--tmpfs", "/tmp", "--tmpfs", "/usr/local/airflow:mode=0775"]
    more = ["--env", f"AIRFLOW__WEBSERVER__WEB_SERVER_PORT={port}", "--env", "_AIRFLOW_DB_UPGRADE=true"]
    more += ["--env", "AIRFLOW__WEBSERVER__WORKERS=1", "--env", "AIRFLOW__WEBSERVER__RBAC=True"]
    try:
        podman(*RUN, "--detach", "--name", name, *volumes, *more, image, "airflow", "webserver")
        yield name, port
    finally:
        subprocess.run(["podman", "rm", "--force", name], capture_output=True, check=False)


def test_a_webserver_on_a_read_only_root_is_healthy_and_ends_when_it_is_told(webserver: tuple[str, int]) -> None:
    name, port = webserver
    until = time.monotonic() + 240
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                assert json.load(answer)["metadatabase"]["status"] == "healthy"
                break
        except OSError:
            assert time.monotonic() < until, podman("logs", name)
            time.sleep(1)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/login/", timeout=30) as answer:
        assert b"Airflow" in answer.read()
    begun = time.monotonic()
    podman("stop", "--time", "30", name)
    assert time.monotonic() - begun < 15
    assert json.loads(podman("inspect", name))[0]["State"]["ExitCode"] == 0


def test_a_database_that_does_not_answer_is_told_in_a_line(image: str) -> None:
    database = "AIRFLOW__CORE__SQL_ALCHEMY_CONN=postgresql://ann:secret@127.0.0.1:1/airflow"
    words = ["--env", database, "--env", "ASTRONOMER_WAIT_SECONDS=1", image, "airflow", "scheduler"]
    said = run(*words, status=1)
    assert "the database of AIRFLOW__CORE__SQL_ALCHEMY_CONN does not answer" in said
    assert "secret" not in said


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """Host and port of a registry of its own, without TLS."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not here")
    name = f"127.0.0.1:{free_port()}"
    stated = {"version": 0.1, "storage": {"filesystem": {"rootdirectory": f"{tmp_path}/data"}}, "http": {"addr": name}}
    (tmp_path / "registry.yml").write_text(json.dumps(stated))  # JSON is YAML
    with (tmp_path / "log").open("wb") as log:
        serving = subprocess.Popen([program, "serve", tmp_path / "registry.yml"], stdout=log, stderr=log)
        try:
            until = time.monotonic() + 60
            while True:
                try:
                    urllib.request.urlopen(f"http://{name}/v2/", timeout=5).close()
                    break
                except OSError:
                    assert time.monotonic() < until, (tmp_path / "log").read_text()
                    time.sleep(0.2)
            yield name
        finally:
            serving.terminate()
            serving.wait(timeout=60)


def test_what_a_registry_gives_back_is_what_was_pushed(
    image: str, registry: str, record_testsuite_property: Callable[[str, object], None]
) -> None:
    terminal = Terminal(folder=ROOT, env=dict(os.environ), instead={"127.0.0.1:5000": registry, "2.1.0": VERSION})
    pushed, again = (
        terminal.types("certified image push 2.1.0 127.0.0.1:5000/astronomer --plain-http", "--builder buildah")
        for _ in range(2)
    )
    names = pushed.stdout.split()
    assert [name.partition("@")[0].partition(f":{VERSION}-")[2] for name in names] == [
        f"{RELEASE.revision}-bookworm", "bookworm", f"{RELEASE.revision}-bookworm-onbuild", "bookworm-onbuild",
    ]  # fmt: skip
    # Each version's two names are one image.
    digests = [name.partition("@")[2] for name in names]
    assert digests == [digests[0], digests[0], digests[2], digests[2]]
    assert pushed.stderr.count("was there") == 0
    assert again.stdout.split() == names
    assert again.stderr.count("was there") == 4
    by_digest = f"{registry}/astronomer/ap-airflow@{digests[0]}"
    podman("pull", "--quiet", "--tls-verify=false", by_digest)
    ids = {podman("image", "inspect", "--format", "{{.Id}}", name) for name in (by_digest, image)}
    assert len(ids) == 1
    with urllib.request.urlopen(
        urllib.request.Request(
            f"http://{registry}/v2/astronomer/ap-airflow/manifests/{digests[0]}",
            headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
        ),
        timeout=30,
    ) as answer:
        manifest = json.load(answer)
    record_testsuite_property("digest", digests[0])
    record_testsuite_property("onbuild digest", digests[2])
    record_testsuite_property("sent", sum(layer["size"] for layer in manifest["layers"]))


def child(tmp_path: Path, requirements: str, **more: str) -> subprocess.CompletedProcess[str]:
    """What becomes of a project that is one line of a Dockerfile, these requirements and `more` files."""
    for name, text in more.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "Dockerfile").write_text(f"FROM {NAME}-onbuild\n")
    (tmp_path / "packages.txt").write_text("# none\n")
    (tmp_path / "requirements.txt").write_text(requirements)
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "mine.py").write_text("# a DAG\n")
    (tmp_path / "logs" / "scheduler").mkdir(parents=True)
    builder = builders.find("buildah")
    words = [str(builder.program), "build", "--format", "docker", "--tag", "certified-test-child", str(tmp_path)]
    environment = {**os.environ, "BUILDAH_ISOLATION": os.environ.get("BUILDAH_ISOLATION", "chroot")}
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=900)


def test_a_project_is_built_from_the_onbuild_variant(image: str, tmp_path: Path) -> None:
    done = child(tmp_path, "# nothing more\n")
    assert done.returncode == 0, done.stderr[-3000:]
    # Airflow writes its settings, with keys, where it is imported first: in a layer they would be everybody's.
    home = run("localhost/certified-test-child", "ls", "-A")
    assert sorted(home.split()) == ["Dockerfile", "dags", "logs", "packages.txt", "plugins", "requirements.txt"]
    assert run("localhost/certified-test-child", "ls", "/tmp") == ""
    asked = run("localhost/certified-test-child", "sh", "-c", "id -un; ls dags; airflow version")
    assert asked.split()[:2] == ["astro", "mine.py"]
    assert RELEASE.is_named_by(asked)
    # The project's folders have the modes of a checkout; whoever runs it writes to them all the same.
    touched = "touch dags/a logs/a logs/scheduler/a plugins/a airflow.cfg"
    run("--user", "12345:0", "localhost/certified-test-child", "sh", "-c", touched)


def test_a_project_may_name_files_of_its_own(image: str, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    setup = "setup(name='ours', version='1.0', py_modules=['ours'])"
    (own / "setup.py").write_text(f"from setuptools import setup\n{setup}\n")
    (own / "ours.py").write_text("told = 'of the project'\n")
    done = child(tmp_path, "-r more.txt\n", **{"more.txt": "--no-index\n./own\n"})
    assert done.returncode == 0, done.stderr[-3000:]
    assert run("localhost/certified-test-child", "python", "-c", "import ours; print(ours.told)") == "of the project\n"


@pytest.mark.parametrize(
    "line", ["Apache_Airflow==2.2.0", "https://example.invalid/apache_airflow-2.2.0-py3-none-any.whl"]
)
def test_a_project_that_asks_for_another_airflow_is_not_built(image: str, tmp_path: Path, line: str) -> None:
    done = child(tmp_path, f"{line}\n")
    assert done.returncode != 0
    assert "would be another Airflow" in done.stdout + done.stderr
