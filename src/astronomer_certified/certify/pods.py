"""Tasks in pods: KubernetesExecutor and the operator for pods, with the real client, and a Kubernetes API over HTTP.

No cluster is asked: files/kubernetes_api.py answers as one would, and each pod is a process on this machine.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

from packaging.version import Version

from astronomer_certified.artifacts import CommandLine
from astronomer_certified.effects.processes import free_port
from astronomer_certified.errors import CommandFailed

from .deployment import FILES, Deployment
from .servers import PEOPLE
from .web_session import session

_DAG = "certified_pods"
_LOST, _OUTLIVES, _QUICK = "in_pod_lost", "in_pod_outlives", "in_pod_quick"
_PATIENCE = 240.0
_TOKEN = "of-a-certification"  # noqa: S105  of a server that ends with the checks
_IMAGE = "of.a/certification"
# The first upstream version whose website asks Kubernetes for the log of a pod. Those before look for it on the hosts
# of workers alone: with KubernetesExecutor, people keep logs on a volume or in a store there.
_LOGS_OF_PODS = Version("1.10.11")


def in_pods(deployment: Deployment) -> str:
    """A run succeeds whose tasks are pods, one of which starts a pod of its own; logs come through the API."""
    deployment.daemons.close()
    there = _deployed(deployment, free_port())
    _start_api(there)
    there.start_webserver()
    there.start_scheduler()
    known = f"SELECT count(*) FROM dag WHERE dag_id = '{_DAG}'"
    there.daemons.wait("the scheduler to read the DAG of pods", lambda: there.count(known) == 1, _PATIENCE)
    there.airflow(*there.words.unpause, _DAG)
    there.trigger(_DAG, "in_pods")
    there.finished("in_pods", _PATIENCE)
    ran = _ran(there, "in_pods")
    for task in (_LOST, _OUTLIVES, _QUICK):
        if len(ran.get(task, ())) != 1 or _words_of(task) not in ran[task][0]:
            raise CommandFailed(f"{task} did not run once, in a pod of its own", details=[str(ran)])
    return f"every task succeeds in a pod of its own; {_logs(there)}"


def dying(deployment: Deployment) -> str:
    """The task of a pod that is lost is tried again; one whose pod outlives the scheduler ends well."""
    there = _deployed(deployment)
    there.trigger(_DAG, "dying")
    there.daemons.wait(
        "both long tasks to run", lambda: {_LOST, _OUTLIVES} <= _ran(there, "dying").keys(), _PATIENCE
    )  # fmt: skip
    [pod] = _ran(there, "dying")[_LOST]
    _ask(there, "DELETE", f"namespaces/default/pods/{pod}?gracePeriodSeconds=0")
    there.daemons.kill("scheduler")
    there.start_scheduler()
    there.finished("dying", _PATIENCE)
    ran = _ran(there, "dying")
    if len(ran[_LOST]) != 2 or ran[_LOST][0] == ran[_LOST][1]:
        raise CommandFailed("the task whose pod was lost did not run again in another", details=[str(ran)])
    return (
        "with the pod of a running task and the scheduler gone, every task succeeds, the lost one in a second pod;"
        f" pods of the task that outlived the scheduler: {len(ran[_OUTLIVES])}"
    )


def _deployed(deployment: Deployment, port: int | None = None) -> Deployment:
    """The deployment with KubernetesExecutor, its API on that port, or where the check before has put it."""
    folder = deployment.home / "kubernetes"
    config, template = folder / "config", folder / "pod.json"
    if port is not None:
        folder.mkdir()
        config.write_text(json.dumps(_config(f"http://127.0.0.1:{port}")), encoding="utf-8")
        template.write_text(json.dumps(_TEMPLATE), encoding="utf-8")
        shutil.copy(FILES / "pods.py", Path(deployment.env["AIRFLOW__CORE__DAGS_FOLDER"]))
    own = {
        "AIRFLOW__CORE__EXECUTOR": "KubernetesExecutor",
        "AIRFLOW__KUBERNETES__IN_CLUSTER": "False",
        "AIRFLOW__KUBERNETES__CONFIG_FILE": str(config),
        "AIRFLOW__KUBERNETES__NAMESPACE": "default",
        "AIRFLOW__KUBERNETES__WORKER_CONTAINER_REPOSITORY": _IMAGE,
        "AIRFLOW__KUBERNETES__WORKER_CONTAINER_TAG": "1",
        "AIRFLOW__KUBERNETES__WORKER_PODS_CREATION_BATCH_SIZE": "4",
        "AIRFLOW__KUBERNETES__DAGS_IN_IMAGE": "True",
        # Logs of a pod that has ended are read through the API.
        "AIRFLOW__KUBERNETES__DELETE_WORKER_PODS": "False",
    }
    if deployment.command_line is CommandLine.GROUPED:
        own["AIRFLOW__KUBERNETES__POD_TEMPLATE_FILE"] = str(template)
    return replace(deployment, env={**deployment.env, **own})


# JSON is YAML, too.
_TEMPLATE = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "of-a-task"},
    "spec": {
        "restartPolicy": "Never",
        "containers": [
            {
                "name": "base",
                "image": f"{_IMAGE}:1",
                "env": [{"name": "AIRFLOW__CORE__EXECUTOR", "value": "LocalExecutor"}],
            }
        ],
    },
}


def _config(address: str) -> dict[str, object]:
    """What a client is told of a cluster: the form of kubectl's own file."""
    named = {"name": "certified"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "certified",
        "clusters": [{**named, "cluster": {"server": address}}],
        "users": [{**named, "user": {"token": _TOKEN}}],
        "contexts": [{**named, "context": {"cluster": "certified", "user": "certified", "namespace": "default"}}],
    }


def _start_api(there: Deployment) -> None:
    """The API answers."""
    output = there.home / "kubernetes" / "output"
    output.mkdir()
    own = {"AIRFLOW_HOME": str(_home_of_pods(there))}
    # It writes airflow.cfg: pods that start at the same moment would all do so.
    there.airflow("version", instead=own)
    program = str(FILES / "kubernetes_api.py")
    there.daemons.start(
        "Kubernetes API", ["python", program, str(_port(there)), _TOKEN, str(output)], {**there.env, **own}
    )
    there.daemons.wait("the Kubernetes API", lambda: _answers(there), _PATIENCE)


def _port(there: Deployment) -> int:
    config = json.loads((there.home / "kubernetes" / "config").read_text(encoding="utf-8"))
    return int(config["clusters"][0]["cluster"]["server"].rpartition(":")[2])


def _answers(there: Deployment) -> bool:
    try:
        return _ask(there, "GET", "pods") == 200
    except CommandFailed:
        return False


def _ask(there: Deployment, method: str, path: str) -> int:
    """The status of an answer of the API."""
    with session(f"http://127.0.0.1:{_port(there)}") as client:
        return client.json(method, f"/api/v1/{path}", token=_TOKEN)[0]


def _ran(there: Deployment, run_id: str) -> dict[str, list[str]]:
    """The pods in which each task of a run ran, in the order in which they began."""
    found: dict[str, list[str]] = {}
    if there.ran.exists():
        for line in there.ran.read_text(encoding="utf-8").splitlines():
            task, _, run, pod = line.split()
            if run == run_id:
                found.setdefault(task, []).append(pod)
    return found


def _words_of(task: str) -> str:
    """What the name of a task's pod has of the task's."""
    return task.replace("_", "")


def _logs(there: Deployment) -> str:
    """The website shows what a pod printed, which has ended; what a task's own pod printed is in the task's log.

    The pod of a task prints who it is, and keeps the rest of its log in its home, as Airflow does of itself.
    """
    asks = there.release.upstream >= _LOGS_OF_PODS
    if asks:
        [pod] = _ran(there, "in_pods")[_QUICK]
        with there.person(PEOPLE[0]) as ada:
            shown = ada.log_of(_DAG, _QUICK, there.date_of("in_pods"), 1)
        # Versions before 1.10.14 print it unformatted, so that the words between are others.
        if not any(f"{_DAG}.{_QUICK}" in line and pod in line for line in shown.splitlines()):
            raise CommandFailed(f"what the pod of {_QUICK} printed is not shown", details=shown.splitlines()[-9:])
    kept = "".join(path.read_text(encoding="utf-8") for path in _home_of_pods(there).glob("logs/*/own_pod/*/1.log"))
    if "a pod of its own says in_pods" not in kept:
        raise CommandFailed("what the pod of own_pod printed is not in its log", details=kept.splitlines()[-9:])
    return "what pods print is shown" if asks else "upstream's website shows logs of pods from 1.10.11 on"


def _home_of_pods(there: Deployment) -> Path:
    """Of their own, so that no log of theirs is found beside the webserver."""
    return there.home / "hosts" / "pods"
