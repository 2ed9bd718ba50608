"""The Kubernetes API of a certification: pods are processes, and what the real API refuses is refused."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from astronomer_certified.certify.deployment import FILES
from astronomer_certified.effects.processes import answers, background, clean_environment, free_port

TOKEN = "of-a-test"
PATIENCE = 60.0


class Client:
    def __init__(self, address: str, pods: str = "/api/v1/namespaces/default/pods") -> None:
        self._address, self._pods = address, pods
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {TOKEN}"

    def ask(self, method: str, path: str = "", **options: Any) -> requests.Response:
        return self._session.request(method, f"{self._address}{self._pods}{path}", timeout=PATIENCE, **options)

    def create(self, *, name: str, script: str = "", labels: dict[str, str] | None = None) -> requests.Response:
        container = {"name": "base", "image": "of.a/test", "command": ["sh", "-c"], "args": [script]}
        container["env"] = [{"name": "GIVEN", "value": "what was given"}]  # type: ignore[assignment]
        manifest = {"metadata": {"name": name, "labels": labels or {}}, "spec": {"containers": [container]}}
        return self.ask("POST", json=manifest)

    def phase(self, name: str) -> str:
        answer = self.ask("GET", f"/{name}")
        return str(answer.json()["status"]["phase"]) if answer.ok else str(answer.status_code)

    def until(self, name: str, phase: str) -> None:
        end = time.monotonic() + PATIENCE
        while self.phase(name) != phase:
            assert time.monotonic() < end, self.phase(name)
            time.sleep(0.05)


def ends(pid: int) -> bool:
    """Whether a process has ended soon, also where nobody has asked for its status yet."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if "State:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder, port = tmp_path_factory.mktemp("kubernetes"), free_port()
    words = [sys.executable, FILES / "kubernetes_api.py", str(port), TOKEN, folder]
    with background(words, cwd=folder, env=clean_environment(), log=folder / "api.log") as running:
        end = time.monotonic() + PATIENCE
        while not answers(port):
            assert running(), (folder / "api.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.05)
        yield Client(f"http://127.0.0.1:{port}")


def test_a_pod_runs_what_it_states_and_its_log_says_what_it_printed(client: Client) -> None:
    assert client.create(name="good", script='echo "$GIVEN in $HOSTNAME"').status_code == 201
    client.until("good", "Succeeded")

    assert client.ask("GET", "/good/log").text == "what was given in good\n"
    ended = client.ask("GET", "/good").json()["status"]["containerStatuses"][0]
    assert ended["state"]["terminated"]["exitCode"] == 0


@pytest.mark.parametrize(("script", "status"), [("exit 3", 3), ("kill -9 $$", 137)])
def test_a_pod_that_fails_says_how(client: Client, script: str, status: int) -> None:
    name = f"bad-{status}"
    client.create(name=name, script=script)
    client.until(name, "Failed")

    ended = client.ask("GET", f"/{name}").json()["status"]["containerStatuses"][0]
    assert ended["state"]["terminated"]["exitCode"] == status


def test_a_log_is_followed_until_its_pod_has_ended(client: Client) -> None:
    client.create(name="talks", script="echo one; sleep 0.5; echo two")
    client.until("talks", "Running")

    assert client.ask("GET", "/talks/log?follow=True").text == "one\ntwo\n"
    assert client.ask("GET", "/talks/log?tailLines=1").text == "two\n"
    assert client.ask("GET", "/talks/log?timestamps=True").text.splitlines()[0].endswith("Z one")


def test_pods_are_chosen_by_labels_and_fields(client: Client) -> None:
    client.create(name="first", script="true", labels={"of": "a"})
    client.create(name="second", script="false", labels={"of": "a"})
    client.create(name="third", script="true", labels={"of": "b"})
    client.until("first", "Succeeded")
    client.until("second", "Failed")

    def names(query: str) -> list[str]:
        return [pod["metadata"]["name"] for pod in client.ask("GET", f"?{query}").json()["items"]]

    assert names("labelSelector=of%3Da") == ["first", "second"]
    assert names("labelSelector=of%3Da&fieldSelector=status.phase%3DFailed") == ["second"]
    assert names("labelSelector=of!%3Da,of%3Db") == ["third"]
    assert client.ask("GET", "?labelSelector=of").status_code == 400


def test_who_watches_is_told_what_is_there_and_what_happens(client: Client) -> None:
    client.create(name="before", script="sleep 60", labels={"of": "watched"})
    client.until("before", "Running")
    told: list[tuple[str, str, str]] = []

    def watch() -> None:
        answer = client.ask("GET", "?watch=True&labelSelector=of%3Dwatched&timeoutSeconds=5", stream=True)
        for line in answer.iter_lines():
            event = json.loads(line)
            told.append((event["type"], event["object"]["metadata"]["name"], event["object"]["status"]["phase"]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    while not told:
        time.sleep(0.05)
    client.create(name="other", script="true", labels={"of": "others"})
    client.create(name="after", script="true", labels={"of": "watched"})
    client.ask("DELETE", "/before?gracePeriodSeconds=0")
    watcher.join()

    assert told[0] == ("ADDED", "before", "Running")
    assert [event for event in told if event[1] == "after"] == [
        ("ADDED", "after", "Pending"),
        ("MODIFIED", "after", "Running"),
        ("MODIFIED", "after", "Succeeded"),
    ]
    # First its mark, then that it is gone, in the phase in which it was.
    assert [event for event in told if event[1] == "before"][1:] == [
        ("MODIFIED", "before", "Running"),
        ("DELETED", "before", "Running"),
    ]
    assert "other" not in {event[1] for event in told}


def test_a_watch_from_a_version_on_says_nothing_of_before(client: Client) -> None:
    client.create(name="old", script="true")
    client.until("old", "Succeeded")
    version = client.ask("GET").json()["metadata"]["resourceVersion"]

    assert client.ask("GET", f"?watch=True&resourceVersion={version}&timeoutSeconds=0").text == ""


def test_a_pod_that_is_deleted_has_time_to_end_and_no_more(client: Client, tmp_path: Path) -> None:
    said = tmp_path / "said"
    client.create(name="polite", script=f"trap 'echo ends > {said}; exit' TERM; sleep 60 & wait")
    client.create(name="deaf", script="trap '' TERM; sleep 60")
    for name in ("polite", "deaf"):
        client.until(name, "Running")
    time.sleep(0.3)  # for their shells to say what they do when they are told to end

    assert client.ask("DELETE", "/polite").json()["metadata"]["deletionTimestamp"]
    client.until("polite", "404")
    assert said.read_text() == "ends\n"
    client.ask("DELETE", "/deaf", json={"gracePeriodSeconds": 1})
    assert client.phase("deaf") == "Running"
    client.until("deaf", "404")


def test_a_label_changes(client: Client) -> None:
    client.create(name="labelled", script="true", labels={"of": "a", "kept": "yes"})
    changed = client.ask("PATCH", "/labelled", json={"metadata": {"labels": {"of": "b"}}}).json()

    assert changed["metadata"]["labels"] == {"of": "b", "kept": "yes"}
    assert client.ask("PATCH", "/labelled", json={"metadata": {"labels": {"of": "no label"}}}).status_code == 422


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("Great", {}),
        ("a" * 254, {}),
        ("with_line", {}),
        ("own", {"of": "a" * 64}),
        ("own", {"of": "a b"}),
    ],
)
def test_names_and_labels_that_the_real_api_refuses_are_refused(
    client: Client, name: str, labels: dict[str, str]
) -> None:
    answer = client.create(name=name, labels=labels)

    assert (answer.status_code, answer.json()["reason"]) == (422, "Invalid")


def test_what_is_there_already_what_is_not_there_and_who_nobody_knows(client: Client) -> None:
    client.create(name="once", script="true")
    assert client.create(name="once", script="true").json()["reason"] == "AlreadyExists"
    for method, path in (("GET", "/none"), ("DELETE", "/none"), ("PATCH", "/none"), ("GET", "/none/log")):
        assert client.ask(method, path, json={} if method == "PATCH" else None).status_code == 404
    assert client.ask("GET", "/../secrets").status_code == 404
    assert client.ask("GET", headers={"Authorization": "Bearer other"}).status_code == 401


def test_what_a_pod_started_ends_with_it_in_whatever_session_it_is(client: Client, tmp_path: Path) -> None:
    alive = tmp_path / "pid"
    client.create(name="parent", script=f"setsid sh -c 'echo $$ > {alive}; sleep 60' & wait")
    while not (alive.exists() and alive.read_text().strip()):
        time.sleep(0.05)
    client.ask("DELETE", "/parent?gracePeriodSeconds=0")
    client.until("parent", "404")

    assert ends(int(alive.read_text()))


def test_its_pods_end_with_it(tmp_path: Path) -> None:
    port, alive = free_port(), tmp_path / "pid"
    words = [sys.executable, FILES / "kubernetes_api.py", str(port), TOKEN, tmp_path]
    with background(words, cwd=tmp_path, env=clean_environment(), log=tmp_path / "api.log"):
        while not answers(port):
            time.sleep(0.05)
        Client(f"http://127.0.0.1:{port}").create(name="long", script=f"echo $$ > {alive}; exec sleep 60")
        while not (alive.exists() and alive.read_text().strip()):
            time.sleep(0.05)

    assert ends(int(alive.read_text()))
