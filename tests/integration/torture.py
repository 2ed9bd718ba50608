"""An index that is killed at random moments of its uploads.

Tests call it with a small number, `make torture-index` with a large one:

    python tests/integration/torture.py 200
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import requests

from astronomer_certified.index.auth.credentials import Credentials, set_password

_SERVE = """
import sys
from pathlib import Path
from astronomer_certified.commands.main import main
sys.exit(main(sys.argv[1:]))
"""


def served_at(process: subprocess.Popen[str]) -> str:
    """The root of the index that a process serves, once it says so."""
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.match(r"serving \S+ at (\S+)simple/;", line)
    assert found is not None, line
    return found[1]


def children(parent: int) -> list[int]:
    """The processes that a process has started and that still run."""
    found = [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/stat")]
    return [number for number in found if alive(number) and _status(number)[1] == str(parent)]


def alive(number: int) -> bool:
    """Whether there is such a process, and somebody does not just have to take note of its end."""
    return _status(number)[0] not in ("", "Z")


def processor_time(number: int) -> float:
    """Seconds that a process has computed so far."""
    return sum(map(int, _status(number)[11:13])) / os.sysconf("SC_CLK_TCK")


def _status(number: int) -> list[str]:
    try:
        # The name in brackets may hold blanks; state and parent come behind it (proc(5)).
        return Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["", ""]


def kill_all(process: subprocess.Popen[str]) -> None:
    """The supervisor and its workers end at this instant."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index in a process of its own."""

    root: Path
    credentials: Credentials

    @property
    def store(self) -> Path:
        return self.root / "packages"

    @contextlib.contextmanager
    def running(self, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
        argv = [sys.executable, "-c", _SERVE, "index", "serve", "--index", str(self.root), "--port", "0"]
        argv += ["--fallback", "none", *words]
        process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
        )
        try:
            yield process, served_at(process)
        finally:
            kill_all(process)
            process.communicate()

    @classmethod
    def at(cls, root: Path) -> Index:
        root.mkdir(parents=True, exist_ok=True)
        # argon2 with little work: what is tortured is the store, not the login.
        set_password(root / "htpasswd", "ann", "a long enough password", "bcrypt")
        return cls(root=root, credentials=Credentials(user="ann", password="a long enough password"))


def wheel(name: str, version: str, content: bytes) -> tuple[str, bytes]:
    folder = f"{name}-{version}.dist-info"
    members = {
        f"{name}.py": content,
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nA\n".encode(),
        f"{folder}/WHEEL": b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digest = {
        path: base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=") for path, data in members.items()
    }
    record = b"".join(f"{path},sha256={digest[path].decode()},{len(data)}\n".encode() for path, data in members.items())
    members[f"{folder}/RECORD"] = record + f"{folder}/RECORD,,\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in members.items():
            archive.writestr(path, data)
    return f"{name}-{version}-py3-none-any.whl", buffer.getvalue()


def upload(url: str, login: Credentials, filename: str, content: bytes) -> requests.Response:
    return requests.post(
        url,
        data={":action": "file_upload"},
        files={"content": (filename, content)},
        auth=(login.user, login.password),
        timeout=60,
    )


# --- kill -9


@dataclass(slots=True)
class Killed:
    """What came of it."""

    moments: int = 0
    acknowledged: dict[str, str] = field(default_factory=dict)
    sent: dict[str, set[str]] = field(default_factory=dict)
    adopted: int = 0


def kill(root: Path, moments: int, seed: int = 1) -> Killed:
    """Uploads go on while the server is killed, `moments` times; after each, the store is looked at as a whole."""
    chance = random.Random(seed)
    index, result = Index.at(root), Killed()
    number = 0
    for _ in range(moments):
        with index.running() as (process, url):
            with contextlib.suppress(requests.RequestException):
                upload(url, index.credentials, *wheel("warm", "1.0", b"warm"))  # the first login is slow
            result.moments += 1
            stop = threading.Event()
            threads = []
            for _ in range(3):
                number += 1
                words = (url, index, result, stop, number, chance.random())
                threads.append(threading.Thread(target=_keep_uploading, args=words))
            before = len(result.acknowledged)
            for thread in threads:
                thread.start()
            # Every other time a busy machine, too, gets as far as to acknowledge something first.
            until = time.monotonic() + (30 if result.moments % 2 == 0 else 0)
            while len(result.acknowledged) == before and time.monotonic() < until:
                time.sleep(0.001)
            time.sleep(chance.uniform(0.0, 0.15))
            kill_all(process)
            process.wait()
            stop.set()
            for thread in threads:
                thread.join()
        result.adopted += _look(index, result)
    return result


def _keep_uploading(url: str, index: Index, result: Killed, stop: threading.Event, number: int, seed: float) -> None:
    chance = random.Random(seed)
    for turn in range(10_000):
        if stop.is_set():
            return
        # Some names are sent again and again with other bytes, by all of them: one may win, once.
        version = f"{number}.{turn}" if chance.random() < 0.7 else f"0.{chance.randrange(50)}"
        filename, content = wheel("kill", version, chance.randbytes(chance.choice((100, 50_000, 700_000))))
        digest = hashlib.sha256(content).hexdigest()
        result.sent.setdefault(filename, set()).add(digest)
        try:
            answer = upload(url, index.credentials, filename, content)
        except requests.RequestException:
            return
        if answer.status_code == 200:
            known = result.acknowledged.setdefault(filename, digest)
            assert known == digest, f"{filename} was acknowledged twice, with other bytes"
        else:
            assert answer.status_code in (400, 409), answer.status_code


def _look(index: Index, result: Killed) -> int:
    """Every visible file is one that was sent, whole, and every acknowledged one is there."""
    before = set(_records(index))
    with index.running() as (_, url):
        answer = requests.get(
            f"{url}simple/kill/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}, timeout=10
        )
        files = answer.json()["files"] if answer.status_code == 200 else []
        listed = {file["filename"]: file["hashes"]["sha256"] for file in files}
        for filename, digest in listed.items():
            content = (index.store / filename).read_bytes()
            assert hashlib.sha256(content).hexdigest() == digest, f"{filename} is torn"
            assert digest in result.sent[filename], f"{filename} was never sent"
        for filename, digest in result.acknowledged.items():
            assert listed.get(filename) == digest, f"{filename} was acknowledged and is gone"
        assert list((index.store / ".incoming").iterdir()) == []
        metadata = {path.name for path in (index.store / ".records" / "metadata").iterdir()}
        assert set(listed) <= metadata
    return len(set(listed) - before)


def _records(index: Index) -> Iterator[str]:
    path = index.store / ".records" / "projects" / "kill.json"
    if path.exists():
        yield from (file["filename"] for file in json.loads(path.read_text())["files"])


def main() -> int:
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        killed = kill(Path(folder), int(sys.argv[1]))
    print(f"{killed.moments} kills: {len(killed.sent)} names sent,")
    print(f"{len(killed.acknowledged)} acknowledged, all of them there and whole;")
    print(f"{killed.adopted} whole files found without a record and published")
    print(f"{time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
