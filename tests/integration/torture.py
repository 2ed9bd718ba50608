"""An index that is killed at random moments of its uploads, and one that is sent what nobody should send.

Tests call it with a small number, `make torture-index` and `make fuzz-index` with a large one:

    python tests/integration/torture.py kill 200
    python tests/integration/torture.py fuzz 10000
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
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections import Counter
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


# --- fuzz


@dataclass(slots=True)
class Fuzzed:
    """How many requests of each shape, and what was answered: a status, `closed`, or worse."""

    answers: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    worst: list[str] = field(default_factory=list)


def fuzz(root: Path, requests_wanted: int, seed: int = 1) -> Fuzzed:
    """Malformed requests, some after a right login. None gets a 5xx, none hangs, nothing is stored."""
    chance = random.Random(seed)
    index, result = Index.at(root), Fuzzed()
    with index.running() as (process, url):
        assert upload(url, index.credentials, *wheel("good", "1.0", b"x")).ok
        before = _everything(index)
        host, port = url.removeprefix("http://").rstrip("/").split(":")
        for _ in range(requests_wanted):
            _send(chance, index.credentials, (host, int(port)), result)
        assert process.poll() is None, "the server is gone"
        page = requests.get(f"{url}simple/good/", timeout=10)
        assert page.status_code == 200
        time.sleep(0.5)
        assert _everything(index) == before, "something was stored"
    return result


def _everything(index: Index) -> set[str]:
    found = {str(path.relative_to(index.store)) for path in index.store.rglob("*") if path.is_file()}
    return {path for path in found if not path.startswith((".records/locks", ".records/audit"))}


def _send(chance: random.Random, login: Credentials, address: tuple[str, int], result: Fuzzed) -> None:
    shape = chance.choice(_SHAPES)
    data = shape(chance, login)
    start = time.monotonic()
    try:
        with socket.create_connection(address, timeout=20) as wire:
            with contextlib.suppress(ConnectionError):
                wire.sendall(data)
            with contextlib.suppress(OSError):  # it may have hung up already
                wire.shutdown(socket.SHUT_WR)
            received = b""
            with contextlib.suppress(ConnectionError):
                while chunk := wire.recv(1 << 16):
                    received += chunk
    except TimeoutError:
        result.worst.append(f"hang: {data[:300]!r}")
        result.answers["hang"] += 1
        return
    result.slowest = max(result.slowest, time.monotonic() - start)
    # 100 is not an answer yet.
    statuses = [status for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", received) if status != b"100"]
    status = statuses[0].decode() if statuses else "closed"
    if status.startswith("5"):
        result.worst.append(f"{status}: {data[:500]!r}")
    result.answers[status] += 1


def _noise(chance: random.Random, longest: int = 40) -> bytes:
    return chance.randbytes(chance.randrange(1, longest))


def _name(chance: random.Random) -> str:
    good = "good-1.0-py3-none-any.whl"
    return chance.choice(
        [
            "../" + good, "..%2f" + good, "/etc/passwd", "\\..\\" + good, good + "\0", "\0", "a" * 100_000, "." + good,
            "good-1.0-py3-none-any.whl\n", "good.whl", "", " ", "good-1.0.tar.gz/", "gööd-1.0-py3-none-any.whl", good,
            "good-1.0-py3-none-any.whl.asc", "CON-1.0-py3-none-any.whl", "good-1.0-py3-none-any.whl;x", "%00.whl",
            _noise(chance).decode("latin-1"), "good-2.0-py3-none-any.whl", "good-2.0.tar.gz",
            "new-1.0-py3-none-any.whl",
        ]
    )  # fmt: skip


def _target(chance: random.Random, login: Credentials) -> bytes:
    pieces = [
        b"/", b"simple", b"packages", b"..", b"%2e%2e", b"%2f", b"%00", b"\x00", b"good", b"good-1.0-py3-none-any.whl",
        b"integrity", b"upstream", b".records", b"%ff", b"?format=", b"&", b"#", b"%", b"%zz", b"a" * 500, b" ",
        b"\xe9",
        b"project", b"search?q=", b"metrics", b"health", b"legacy", b"//", b";", b"*",
    ]  # fmt: skip
    target = b"/" + b"/".join(chance.choices(pieces, k=chance.randrange(1, 6)))
    method = chance.choice(
        [b"GET", b"HEAD", b"GET", b"OPTIONS", b"PUT", b"DELETE", b"get", b"PATCH", b"TRACE", b"CONNECT"]
    )
    headers = chance.choice(
        [b"", b"Range: bytes=" + _noise(chance, 12) + b"\r\n", b"Accept: " + _noise(chance) + b"\r\n",
         b"Accept-Encoding: gzip;q=x, *;q=9\r\n", b"If-None-Match: " + _noise(chance) + b"\r\n",
         b"Range: bytes=99999999999999999999999-\r\n", b"If-Range: x\r\nRange: bytes=0-0\r\n"]
    )  # fmt: skip
    return method + b" " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers + b"\r\n"


def _smuggled(chance: random.Random, login: Credentials) -> bytes:
    framing = [
        b"Content-Length: 5", b"Content-Length: 0", b"Content-Length: 99999999999999999999", b"Content-Length: 0x5",
        b"Content-Length: 5, 6", b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity, chunked",
        b"Transfer-Encoding:\tchunked", b"Transfer-Encoding: chunked\x0b", b"transfer-encoding : chunked",
        b"Expect: 100-continue", b"Upgrade: h2c", b"Connection: Content-Length", b" folded", b"X:\x00", b"\r",
        b"Host: y", b": empty", b"GET / HTTP/1.1", b"X: " + b"y" * chance.choice((10, 5000, 40_000)),
    ]  # fmt: skip
    lines = chance.choices(framing, k=chance.randrange(1, 5))
    start = chance.choice(
        [b"POST / HTTP/1.1", b"GET /simple/ HTTP/1.1", b"POST / HTTP/1.0", b"POST http://x/ HTTP/1.1"]
    )
    end = chance.choice([b"\r\n\r\n", b"\n\n", b"\r\n\n", b"\r\r\n"])
    body = chance.choice(
        [b"", b"0\r\n\r\n", b"5\r\nabcde\r\n0\r\n\r\n", b"ffffffffffffffff\r\n", b"-1\r\n", _noise(chance)]
    )
    return (
        start + b"\r\nHost: x\r\n" + b"\r\n".join(lines) + end + body + b"GET /simple/good/ HTTP/1.1\r\nHost: x\r\n\r\n"
    )


def _form(chance: random.Random, login: Credentials) -> bytes:
    """An upload that is wrong in one way or several, by somebody who may upload."""
    boundary = chance.choice([b"x", b"boundary", b"", b"a" * 300, b'"q"', b"\xff"])
    kind = chance.choice(
        [b"multipart/form-data; boundary=" + boundary] * 6 + [b"multipart/form-data", b"text/plain", b"", b"x" * 999]
    )
    contents = [b"", b"not a zip", b"PK\x05\x06" + bytes(18), _broken(chance), _noise(chance, 3000)]
    fields: list[tuple[bytes, bytes]] = [
        (b'name=":action"', chance.choice([b"file_upload"] * 5 + [b"remove_pkg", b"\0", b""]))
    ]
    name = _name(chance).encode("utf-8", "replace")
    fields += [(b'name="content"; filename="' + name + b'"', chance.choice(contents))] * chance.choice((1, 1, 1, 0, 2))
    if chance.random() < 0.4:
        fields.append(chance.choice([
            (b'name="sha256_digest"', _noise(chance)), (b'name="attestations"', b'[{"version": 1}]'),
            (b'name="attestations"', b"[" * 5000), (b'name="name"', _noise(chance)), (b'name="version"', b"\0"),
            (b'name="gpg_signature"; filename="' + name + b'.asc"', b"x"), (b"", b""),
            (b'name="' + _noise(chance), b"1"),
        ]))  # fmt: skip
    body = b"".join(
        b"--" + boundary + b"\r\nContent-Disposition: form-data; " + h + b"\r\n\r\n" + v + b"\r\n" for h, v in fields
    )
    body += chance.choice([b"--" + boundary + b"--\r\n"] * 4 + [b"", b"--" + boundary])
    length = len(body) + chance.choice([0] * 8 + [-3, 7])
    auth = base64.b64encode(f"{login.user}:{login.password}".encode())
    if chance.random() < 0.1:
        auth = chance.choice([b"", b"!!!", base64.b64encode(b"\xff:\xff"), base64.b64encode(b"nobody"), b"x" * 9000])
    return (
        b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic " + auth
        + b"\r\nContent-Type: " + kind + b"\r\nContent-Length: " + str(max(0, length)).encode() + b"\r\n\r\n" + body
    )  # fmt: skip


def _broken(chance: random.Random) -> bytes:
    content = bytearray(wheel("good", "2.0", b"x" * 200)[1])
    for _ in range(chance.randrange(1, 4)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return bytes(content[: chance.choice((len(content), len(content), chance.randrange(len(content))))])


def _garbage(chance: random.Random, login: Credentials) -> bytes:
    return _noise(chance, 500) + chance.choice([b"", b"\r\n\r\n"])


_SHAPES = [_target, _target, _smuggled, _form, _form, _garbage]


def main() -> int:
    what, number = sys.argv[1], int(sys.argv[2])
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        if what == "kill":
            killed = kill(Path(folder), number)
            print(f"{killed.moments} kills: {len(killed.sent)} names sent,")
            print(f"{len(killed.acknowledged)} acknowledged, all of them there and whole;")
            print(f"{killed.adopted} whole files found without a record and published")
        else:
            fuzzed = fuzz(Path(folder), number)
            print(f"{sum(fuzzed.answers.values())} requests, the slowest {fuzzed.slowest:.2f} s; nothing stored")
            print(", ".join(f"{status}: {count}" for status, count in sorted(fuzzed.answers.items())))
            for line in fuzzed.worst[:10]:
                print(line)
            if fuzzed.worst:
                return 1
    print(f"{time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
