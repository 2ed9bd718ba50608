"""One worker or many under one supervisor: a reload refuses nobody and cuts nothing off."""

from __future__ import annotations

import io
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from test_store import wheel, whole

from astronomer_certified.index.server import listen, url_of
from astronomer_certified.index.store import Store, Upload

LARGE = "large-1.0-py3-none-any.whl"


def children(pid: int) -> set[str]:
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def test_a_reload_with_one_worker_answers_on_and_ends_what_was_begun(tmp_path: Path) -> None:
    metadata = "Metadata-Version: 2.1\nName: large\nVersion: 1.0\n"
    content = wheel(whole(content="#" * (24 << 20), folder="large-1.0.dist-info", metadata=metadata))
    Store.open(tmp_path / "packages").add(Upload(filename=LARGE), io.BytesIO(content))
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    words = ["index", "serve", "--index", str(tmp_path), "--port", str(port), "--fallback", "none"]
    argv = [sys.executable, "-m", "astronomer_certified.cli", *words]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert f"at http://127.0.0.1:{port}/simple/" in process.stdout.readline()
            before = children(process.pid)
            with socket.socket() as wire:
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                wire.settimeout(30)
                wire.connect(("127.0.0.1", port))
                wire.sendall(f"GET /packages/{LARGE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                received = len(wire.recv(100))
                process.send_signal(signal.SIGHUP)
                until = time.monotonic() + 30
                while len(children(process.pid)) < 2 and time.monotonic() < until:
                    time.sleep(0.05)
                while chunk := wire.recv(1 << 20):
                    received += len(chunk)
            assert received > len(content)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/simple/large/", timeout=30) as answer:
                assert LARGE in answer.read().decode()
            until = time.monotonic() + 30
            while before & children(process.pid) and time.monotonic() < until:
                time.sleep(0.05)
            assert len(children(process.pid) - before) == 1
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()
    assert not any(Path(f"/proc/{pid}").exists() for pid in before)


def test_what_listens_is_shown_as_clients_on_this_machine_reach_it() -> None:
    for host, shown in (("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]")):
        if ":" in host and not Path("/proc/net/if_inet6").exists():
            continue
        with listen(host, 0) as listening:
            assert url_of(listening) == f"http://{shown}:{listening.getsockname()[1]}/"
