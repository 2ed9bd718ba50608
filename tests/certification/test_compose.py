"""The services of compose.yaml, started for real with podman-compose: a task is carried out by Celery.

PostgreSQL and Redis are Debian's, in an image that is told what the images `postgres` and `redis` are told: no registry
is asked.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from containers import IS_OLD, LIMITS, NAME, VERSION, podman

from astronomer_certified.effects.processes import free_port
from astronomer_certified.image import builders
from documented import ROOT, Terminal

pytestmark = pytest.mark.airflow

SERVICES = "localhost/certified-test-services"
CONTAINERFILE = """\
FROM scratch
ADD services.tar /
COPY start /start
ENTRYPOINT ["/bin/sh", "/start"]
"""
START = """\
set -eu
[ "${1:-postgres}" = postgres ] || exec "$@"
bin=$(echo /usr/lib/postgresql/*/bin) data=/var/lib/postgresql/data
as() { setpriv --reuid postgres --regid postgres --clear-groups "$@"; }
mkdir -p "$data" && chown postgres "$data" && chmod 700 "$data"
echo "$POSTGRES_PASSWORD" > /tmp/password && chown postgres /tmp/password
as "$bin/initdb" --username "$POSTGRES_USER" --pwfile /tmp/password --auth scram-sha-256 "$data"
echo "host all all all scram-sha-256" >> "$data/pg_hba.conf"
as "$bin/pg_ctl" -D "$data" -o "-k /tmp" -w start
PGPASSWORD=$POSTGRES_PASSWORD as "$bin/createdb" -h /tmp -U "$POSTGRES_USER" "$POSTGRES_DB"
as "$bin/pg_ctl" -D "$data" -w stop
exec setpriv --reuid postgres --regid postgres --clear-groups "$bin/postgres" -D "$data" -h 0.0.0.0 -k /tmp
"""
DAG = """\
from datetime import datetime

from airflow import DAG
from airflow.operators.bash_operator import BashOperator

with DAG("one", start_date=datetime(2021, 1, 1), schedule_interval=None, is_paused_upon_creation=False) as dag:
    BashOperator(task_id="say", bash_command="echo said") >> BashOperator(task_id="again", bash_command="echo again")
"""


@pytest.fixture(scope="module")
def services(image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of an image with PostgreSQL and Redis."""
    folder = tmp_path_factory.mktemp("services")
    (folder / "Containerfile").write_text(CONTAINERFILE)
    (folder / "start").write_text(START)
    packages = "--include=postgresql,redis-server"
    words = ["mmdebstrap", "--quiet", "--variant=minbase", packages, "bookworm", f"{folder}/services.tar"]
    subprocess.run(words, check=True, timeout=900, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    builder = builders.find("buildah")
    env = {**os.environ, "BUILDAH_ISOLATION": os.environ.get("BUILDAH_ISOLATION", "chroot")}
    subprocess.run([builder.program, "build", "--quiet", "--tag", SERVICES, folder], check=True, timeout=900, env=env)
    (folder / "services.tar").unlink()
    return SERVICES


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The services of one compose.yaml, by the names of their containers, and where the two with pages answer."""

    project: str
    settings: dict[str, str]
    webserver: str
    flower: str

    def airflow(self, *words: str) -> str:
        """What a command of Airflow printed."""
        return podman("exec", f"{self.project}_scheduler_1", "airflow", *words, settings=self.settings)

    def said(self, service: str) -> str:
        """The log of a service."""
        words = ["podman", "logs", f"{self.project}_{service}_1"]
        done = subprocess.run(words, env=self.settings, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout + done.stderr


def eventually(seconds: float, ask: Callable[[], object]) -> None:
    """Returns once the answer is true; fails with the last one, or with what was raised."""
    until = time.monotonic() + seconds
    while True:
        try:
            said = ask()
        except (OSError, AssertionError) as err:
            said, why = None, repr(err)
        else:
            why = repr(said)
        if said:
            return
        assert time.monotonic() < until, why
        time.sleep(1)


def skip_without_networks(name: str, settings: dict[str, str]) -> None:
    """Skips where no container starts on a network of its own, whatever is in it."""
    for words in (["network", "create", name], ["run", "--rm", "--network", name, "--entrypoint", "/bin/true", NAME]):
        tried = subprocess.run(["podman", *words], env=settings, capture_output=True, text=True, check=False)
        if tried.returncode:
            break
    subprocess.run(["podman", "network", "rm", "--force", name], env=settings, capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"containers have no network of their own here: {tried.stderr.strip().splitlines()[-1]}")


@pytest.fixture
def cluster(services: str, tmp_path: Path) -> Iterator[Cluster]:
    if shutil.which("aardvark-dns", path="/usr/lib/podman:/usr/libexec/podman") is None:
        pytest.skip("aardvark-dns is not here, by which containers find each other: make system-packages")
    if shutil.which("iptables", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
        pytest.skip("iptables is not here, with which netavark makes networks of containers: make system-packages")
    Terminal(folder=ROOT, env=dict(os.environ), instead={"2.1.0": VERSION}).types("certified image context 2.1.0")
    shutil.copy(ROOT / "build" / VERSION / "image" / "compose.yaml", tmp_path)
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "one.py").write_text(DAG)
    line = next(line for line in (ROOT / "docs" / "image.md").read_text().splitlines() if "FERNET_KEY=$(" in line)
    subprocess.run(line.strip(), shell=True, check=True, cwd=tmp_path)
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    ports = {"WEBSERVER_PORT": f"127.0.0.1:{free_port()}", "FLOWER_PORT": f"127.0.0.1:{free_port()}"}
    images = {"AIRFLOW_IMAGE": NAME, "POSTGRES_IMAGE": services, "REDIS_IMAGE": services}
    limits = ", ".join(f'"{name}={limit}"' for name, limit in LIMITS.items())
    (tmp_path / "containers.conf").write_text(
        f'[containers]\ndefault_ulimits = [{limits}]\n[network]\nnetwork_backend = "netavark"\n'
    )
    settings = {**os.environ, **ports, **images, "CONTAINERS_CONF": f"{tmp_path}/containers.conf"}
    project = f"certified-test-{os.getpid()}"
    skip_without_networks(f"{project}-network", settings)
    compose = [str(Path(sys.executable).parent / "podman-compose"), "--project-name", project]
    try:
        with (tmp_path / "up.log").open("wb") as log:
            words = [*compose, "up", "--detach"]
            status = subprocess.run(
                words, cwd=tmp_path, env=settings, stdout=log, stderr=log, timeout=900, check=False
            ).returncode
        assert status == 0, (tmp_path / "up.log").read_text()[-3000:]
        yield Cluster(
            project=project, settings=settings, webserver=ports["WEBSERVER_PORT"], flower=ports["FLOWER_PORT"]
        )
        down = [*compose, "down", "--volumes", "--timeout", "60"]
        assert subprocess.run(down, cwd=tmp_path, env=settings, timeout=300, check=False).returncode == 0
    finally:
        names = podman("ps", "--all", "--quiet", "--filter", f"name={project}", settings=settings).split()
        for name in names:
            podman("rm", "--force", "--depend", name, settings=settings)


def test_a_task_is_carried_out_by_celery(cluster: Cluster) -> None:
    def health() -> bool:
        with urllib.request.urlopen(f"http://{cluster.webserver}/health", timeout=5) as answer:
            said = json.load(answer)
        return all(part["status"] == "healthy" for part in said.values())

    eventually(300, health)
    trigger, runs = (
        (["trigger_dag"], ["list_dag_runs"]) if IS_OLD else (["dags", "trigger"], ["dags", "list-runs", "-d"])
    )
    eventually(120, lambda: cluster.airflow(*trigger, "one"))
    eventually(120, lambda: re.search(r"\|\s*success\s*\|", cluster.airflow(*runs, "one")))
    logs = podman("exec", f"{cluster.project}_webserver_1", "find", "logs/one", "-type", "f", settings=cluster.settings)
    assert len(logs.split()) == 2
    # The worker says so when the process has ended that wrote into the database.
    eventually(60, lambda: len(re.findall(r"execute_command\[\S+\] succeeded", cluster.said("worker"))) == 2)
    with urllib.request.urlopen(f"http://{cluster.flower}/", timeout=30) as answer:
        assert b"Flower" in answer.read()
