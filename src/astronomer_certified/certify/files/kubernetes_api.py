"""A cluster of one node, as far as Airflow asks for one: the Kubernetes API of pods, where a pod is a process.

    python kubernetes_api.py PORT TOKEN FOLDER

It answers at 127.0.0.1 until it is ended, to who brings the token. A pod's process is that of its first container:
command, arguments and variables as the pod states them, on top of the environment of this program, with the pod's name
as that of its host; image, volumes and limits are not looked at. What a container prints is kept in FOLDER. Names and
labels that the real API refuses are refused here, too. Any Python from 3.6 on.
"""

import contextlib
import copy
import ctypes
import json
import os
import re
import signal
import socketserver
import subprocess
import sys
import threading
import time
import uuid
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

_PATH = re.compile(
    r"/api/v1(?:/namespaces/(?P<namespace>[^/]+))?/(?P<kind>pods|events)(?:/(?P<name>[^/]+)(?P<log>/log)?)?"
)
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z")
_LABEL = re.compile(r"(?=.{0,63}\Z)(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?\Z")
# As the real API does for a pod that states nothing else.
_GRACE = 30
_MOMENT = 0.1


class Refused(Exception):
    """A request that is answered with an error, as the real API words it."""

    def __init__(self, code, reason, message):
        super().__init__(message)
        self.code = code
        self.body = {
            "apiVersion": "v1", "kind": "Status", "status": "Failure",
            "code": code, "reason": reason, "message": message,
        }  # fmt: skip


class Cluster:
    """The pods, what became of them, and everything that happened, in order."""

    def __init__(self, folder):
        self.folder = folder
        self.changed = threading.Condition()
        self.pods = {}
        self.events = []
        self._processes = {}

    def create(self, namespace, pod):
        """A pod begins, and its process soon."""
        metadata = pod.setdefault("metadata", {})
        key = (namespace, metadata.get("name", ""))
        with self.changed:
            _accept(pod)
            if key in self.pods:
                raise Refused(409, "AlreadyExists", 'pods "%s" already exists' % key[1])
            metadata.update(namespace=namespace, uid=str(uuid.uuid4()), creationTimestamp=_now())
            pod.update(apiVersion="v1", kind="Pod", status={"phase": "Pending"})
            self.pods[key] = pod
            self._tell("ADDED", pod)
            threading.Thread(target=self._run, args=(key,), daemon=True).start()
            return copy.deepcopy(pod)

    def find(self, namespace, name):
        """A pod that is there, itself."""
        try:
            return self.pods[namespace, name]
        except KeyError:
            raise Refused(404, "NotFound", 'pods "%s" not found' % name) from None

    def chosen(self, namespace, selectors):
        """Whether a pod is of that namespace (any, for None), and has what the selectors ask for."""

        def is_chosen(pod):
            return (namespace is None or pod["metadata"]["namespace"] == namespace) and all(
                (found == value) is wanted for found, value, wanted in _compared(pod, selectors)
            )

        return is_chosen

    def change(self, namespace, name, patch):
        """A pod after a merge (RFC 7396) of what is to be other."""
        with self.changed:
            pod = self.find(namespace, name)
            after = _merged(pod, patch)
            _accept(after)
            pod.update(after)
            self._tell("MODIFIED", pod)
            return copy.deepcopy(pod)

    def delete(self, namespace, name, grace):
        """A pod is to end within so many seconds, and is then gone."""
        with self.changed:
            pod = self.find(namespace, name)
            process = self._processes.get((namespace, name))
            if process is None or process.poll() is not None:
                self._remove((namespace, name))
            else:
                pod["metadata"]["deletionTimestamp"] = _now()
                self._tell("MODIFIED", pod)
                if grace:
                    _signal(process.pid, signal.SIGTERM)
                killed = threading.Timer(grace, _end, (process,))
                killed.daemon = True
                killed.start()
            return copy.deepcopy(pod)

    def log(self, name):
        """Where the output of a pod is kept."""
        return os.path.join(self.folder, name + ".log")

    def ends(self, namespace, name):
        """Whether the process of a pod writes nothing more."""
        process = self._processes.get((namespace, name))
        return process is None or process.poll() is not None

    def close(self):
        """No process of a pod runs any more, nor what one has left behind."""
        for pid in _children(os.getpid()):
            _kill(pid)

    def _run(self, key):
        """The node: it starts the pod's process, waits for its end, and says what became of it."""
        with self.changed:
            pod = self.pods.get(key)
            if pod is None:
                return
            container = pod["spec"]["containers"][0]
            env = dict(os.environ, HOSTNAME=key[1], CERTIFIED_HOST=key[1])
            env.update((item["name"], item.get("value") or "") for item in container.get("env") or ())
            with open(self.log(key[1]), "wb") as output:
                try:
                    process = subprocess.Popen(
                        list(container.get("command") or ()) + list(container.get("args") or ()),
                        env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )  # fmt: skip
                except OSError as error:
                    output.write(str(error).encode())
                    self._ended(key, 128)
                    return
            self._processes[key] = process
            self._say(pod, "Running", {"running": {"startedAt": _now()}})
        status = process.wait()
        with self.changed:
            self._ended(key, status if status >= 0 else 128 - status)

    def _ended(self, key, status):
        pod = self.pods.get(key)
        if pod is None:
            return
        if "deletionTimestamp" in pod["metadata"]:
            # Its phase stays what it was, as it did before Kubernetes 1.27.
            self._remove(key)
        else:
            ended = {"terminated": {"exitCode": status, "finishedAt": _now()}}
            self._say(pod, "Failed" if status else "Succeeded", ended)

    def _say(self, pod, phase, state):
        container = pod["spec"]["containers"][0]
        pod["status"] = {
            "phase": phase,
            "podIP": "127.0.0.1",
            "containerStatuses": [
                {
                    "name": container["name"], "image": container.get("image") or "", "imageID": "", "restartCount": 0,
                    "ready": phase == "Running", "state": state,
                }
            ],
        }  # fmt: skip
        self._tell("MODIFIED", pod)

    def _remove(self, key):
        self._tell("DELETED", self.pods.pop(key))

    def _tell(self, kind, pod):
        """All who watch are told; a pod's version is the number of what happened last to it."""
        pod["metadata"]["resourceVersion"] = str(len(self.events) + 1)
        self.events.append((kind, copy.deepcopy(pod)))
        self.changed.notify_all()


def _accept(pod):
    """Raises `Refused` for a pod that the real API does not take."""
    name, labels = pod["metadata"].get("name") or "", pod["metadata"].get("labels") or {}
    wrong = [] if _NAME.match(name) else ["metadata.name: %r" % name]
    wrong += ["metadata.labels: %r" % value for value in labels.values() if not _LABEL.match(value)]
    containers = (pod.get("spec") or {}).get("containers") or ()
    wrong += [] if containers else ["spec.containers: Required value"]
    wrong += ["spec.containers[].image: Required value" for container in containers if not container.get("image")]
    if wrong:
        raise Refused(422, "Invalid", 'Pod "%s" is invalid: %s' % (name, "; ".join(wrong)))


def _merged(before, patch):
    """`before` with what `patch` says: a null takes out, mappings are merged, all else replaces."""
    if not (isinstance(before, dict) and isinstance(patch, dict)):
        return copy.deepcopy(patch)
    found = {key: value for key, value in before.items() if key not in patch}
    found.update((key, _merged(before.get(key), value)) for key, value in patch.items() if value is not None)
    return found


def _compared(pod, selectors):
    """Of each part of selectors (`a=b,c!=d`): what the pod has, what is named, and whether both are to be the same."""
    labels = pod["metadata"].get("labels") or {}
    fields = {"metadata.name": pod["metadata"]["name"], "status.phase": pod["status"]["phase"]}
    for of, text in ((labels, selectors[0]), (fields, selectors[1])):
        for part in text.split(",") if text else ():
            name, sign, value = re.match(r"([^=!]*)(==?|!=)?(.*)\Z", part).groups()
            if not sign or (of is fields and name not in fields):
                raise Refused(400, "BadRequest", "unable to parse requirement: %r" % part)
            yield of.get(name), value, sign != "!="


def _end(process):
    """As `_kill`, for one that may have ended by now: its number could be another's."""
    if process.poll() is None:
        _kill(process.pid)


def _kill(pid):
    """SIGKILL for a process and all below it: a task is in a session of its own.

    All are stopped before, so that none starts another, and none is known by its parent after that has ended.
    """
    family = [pid]
    for member in family:
        _signal(member, signal.SIGSTOP)
        family += _children(member)
    for member in family:
        _signal(member, signal.SIGKILL)


def _children(parent):
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open("/proc/%s/stat" % name, "rb") as file:  # it may have ended
            # The name of a program may hold anything, also what follows it.
            if int(file.read().rpartition(b")")[2].split()[1]) == parent:
                found.append(int(name))
    return found


def _signal(pid, number):
    with contextlib.suppress(OSError):  # it has ended
        os.kill(pid, number)


def _now():
    return datetime.utcnow().strftime("%Y-%m-%dT%H:%M:%SZ")


class Handler(BaseHTTPRequestHandler):
    """Answers for the cluster of its server."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Pods, one or many, now or from now on; the log of one."""
        self._answer(self._get)

    def do_POST(self):
        """A pod begins."""
        self._answer(lambda found, asked, body: self._send(self._cluster.create(found["namespace"], body), 201))

    def do_PATCH(self):
        """A pod changes."""
        self._answer(
            lambda found, asked, body: self._send(self._cluster.change(found["namespace"], found["name"], body))
        )

    def do_DELETE(self):
        """A pod is to end."""

        def delete(found, asked, body):
            grace = asked.get("gracePeriodSeconds", (body or {}).get("gracePeriodSeconds"))
            seconds = _GRACE if grace is None else int(grace)
            self._send(self._cluster.delete(found["namespace"], found["name"], seconds))

        self._answer(delete)

    @property
    def _cluster(self):
        return self.server.cluster

    def _answer(self, method):
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = _PATH.match(url.path)
        try:
            if self.headers.get("Authorization") != "Bearer " + self.server.token:
                raise Refused(401, "Unauthorized", "Unauthorized")
            if found is None or found.end() != len(url.path):
                raise Refused(404, "NotFound", "the server could not find the requested resource: " + url.path)
            method(found.groupdict(), asked, json.loads(text.decode()) if text else None)
        except Refused as refused:
            self._send(refused.body, refused.code)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # who asked has gone

    def _get(self, found, asked, body):
        if found["kind"] == "events":  # of them nothing depends
            self._send({"apiVersion": "v1", "kind": "EventList", "metadata": {}, "items": []})
        elif found["log"]:
            self._log(found["namespace"], found["name"], asked)
        elif found["name"]:
            with self._cluster.changed:
                pod = copy.deepcopy(self._cluster.find(found["namespace"], found["name"]))
            self._send(pod)
        else:
            selectors = asked.get("labelSelector", ""), asked.get("fieldSelector", "")
            is_chosen = self._cluster.chosen(found["namespace"], selectors)
            if asked.get("watch", "").lower() in ("true", "1"):
                self._watch(is_chosen, asked)
            else:
                self._list(is_chosen)

    def _list(self, is_chosen):
        with self._cluster.changed:
            items = [copy.deepcopy(pod) for pod in self._cluster.pods.values() if is_chosen(pod)]
            version = str(len(self._cluster.events))
        self._send({"apiVersion": "v1", "kind": "PodList", "metadata": {"resourceVersion": version}, "items": items})

    def _watch(self, is_chosen, asked):
        """What is there, for who names no version, and from then on what happens."""
        cluster, since = self._cluster, int(asked.get("resourceVersion") or 0)
        until = time.time() + float(asked.get("timeoutSeconds") or 3600)
        with cluster.changed:
            there = [("ADDED", copy.deepcopy(pod)) for pod in cluster.pods.values()] if not since else []
            seen = since or len(cluster.events)
        self._begin("application/json")
        while True:
            for kind, pod in there:
                if is_chosen(pod):
                    self._piece(json.dumps({"type": kind, "object": pod}).encode() + b"\n")
            with cluster.changed:
                while len(cluster.events) == seen and time.time() < until:
                    cluster.changed.wait(max(0, until - time.time()))
                there, seen = cluster.events[seen:], len(cluster.events)
            if not there:
                return self._piece(b"")

    def _log(self, namespace, name, asked):
        cluster = self._cluster
        with cluster.changed:
            if cluster.find(namespace, name)["status"]["phase"] == "Pending":
                raise Refused(400, "BadRequest", 'container in pod "%s" is waiting to start' % name)
        stamp = asked.get("timestamps", "").lower() == "true"
        follow = asked.get("follow", "").lower() == "true"
        self._begin("text/plain")
        with open(cluster.log(name), "rb") as output:
            lines = output.readlines()
            for line in lines[-int(asked["tailLines"]) :] if "tailLines" in asked else lines:
                self._line(line, stamp)
            ended = not follow
            while not ended:
                ended = cluster.ends(namespace, name)
                for line in output:
                    self._line(line, stamp)
                time.sleep(_MOMENT)
        self._piece(b"")

    def _line(self, line, stamp):
        self._piece(_now().encode() + b" " + line if stamp else line)

    def _send(self, body, code=200):
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _begin(self, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _piece(self, data):
        """A chunk of the answer; an empty one ends it."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))


class Server(socketserver.ThreadingMixIn, HTTPServer):
    """One thread for each connection."""

    daemon_threads = True


if __name__ == "__main__":
    server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
    server.token, server.cluster = sys.argv[2], Cluster(sys.argv[3])
    # What a pod has left behind is ours (prctl's PR_SET_CHILD_SUBREAPER).
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit())
    try:
        server.serve_forever()
    finally:
        server.cluster.close()
