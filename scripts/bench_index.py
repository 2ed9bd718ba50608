"""The figures of docs/benchmarks.md on the index: this one, its peers and nginx under wrk, in turns.

    python scripts/bench_index.py --peers
    python scripts/bench_index.py --alone --files 2000 200000

Peers come from the machine's package index into an environment of their own (--peers). Needs wrk and nginx.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import index_shapes
import requests

from astronomer_certified.index.auth.credentials import set_password
from astronomer_certified.index.copies import static_files
from astronomer_certified.index.store.store import Store

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGES = {
    "project page, 10 files": "simple/project-00042/",
    "project page, 300 files": "simple/many-files/",
    "/simple/": "simple/",
    "/simple/, gzip": "simple/",
    "1 kB wheel": "packages/project_00042-1.3-py3-none-any.whl",
    "5 MB wheel": "packages/large_file-1.0-py3-none-any.whl",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A server: how it is started on a port, and where its pages are."""

    name: str
    argv: Callable[[int], list[str]]
    root: str = ""
    files: Callable[[int], str] | None = None
    """The address of a file, below the root, when it is not packages/NAME."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(contender: Contender) -> Iterator[tuple[int, str, float]]:
    """Process id, address and seconds to the first answer."""
    port = free_port()
    start = time.monotonic()
    process = subprocess.Popen(
        contender.argv(port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    url = f"http://127.0.0.1:{port}/{contender.root}"
    try:
        while True:
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{url}simple/project-00042/", timeout=60).ok:
                    break
            if process.poll() is not None or time.monotonic() - start > 120:
                raise SystemExit(f"{contender.name} does not answer")
            time.sleep(0.01)
        yield process.pid, url, time.monotonic() - start
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def group(pid: int) -> list[int]:
    """The processes of a server: all in its group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            words = stat.read_text().rpartition(")")[2].split()
            if int(words[2]) == pid:
                found.append(int(stat.parent.name))
    return found


def cpu(pid: int) -> float:
    """Seconds of processor time of the whole server so far."""
    total = 0
    for member in group(pid):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
            total += int(words[11]) + int(words[12])
    return total / _TICKS


def memory(pid: int) -> float:
    """Megabytes that all processes of the server have resident."""
    pages = 0
    for member in group(pid):
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{member}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def wrk(url: str, seconds: float, *, packed: bool = False) -> tuple[float, float]:
    """Requests per second and the 99th percentile in milliseconds; `packed` says what pip says of gzip."""
    words = ["wrk", "-t1", "-c16", f"-d{seconds:g}", "--latency"]
    words += [*(("-H", "Accept-Encoding: gzip, deflate") if packed else ()), url]
    out = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in out:
        raise SystemExit(f"{url} answers with errors:\n{out}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", out)
    slow = re.search(r"99%\s+([\d.]+)(us|ms|s)", out)
    assert rate is not None
    assert slow is not None
    return float(rate[1]), float(slow[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[slow[2]]


def address(contender: Contender, url: str, path: str) -> str:
    """Where a contender has the page or file: files are found on its own pages, as an installer does."""
    if path.startswith("simple/"):
        return url + path
    from pypi_simple import PyPISimple

    filename = path.rpartition("/")[2]
    project = filename.partition("-1.")[0].replace("_", "-")
    with PyPISimple(f"{url}simple/") as client:
        page = client.get_project_page(project)
    return next(package.url for package in page.packages if package.filename == filename).partition("#")[0]


def compare(contenders: list[Contender], rounds: int, seconds: float) -> None:
    results: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for turn in range(rounds):
        for contender in contenders:
            with running(contender) as (pid, url, started):
                for title, path in _PAGES.items():
                    target = address(contender, url, path)
                    packed = "gzip" in title
                    wrk(target, 1, packed=packed)  # warm, and a first look by both workers
                    before = cpu(pid)
                    rate, slow = wrk(target, seconds, packed=packed)
                    spent = (cpu(pid) - before) / max(1.0, rate * seconds) * 1e3
                    results.setdefault((contender.name, title), []).append((rate, slow, spent))
                print(
                    f"round {turn + 1}: {contender.name} up in {started:.2f} s, {memory(pid):.0f} MB", file=sys.stderr
                )
                results.setdefault((contender.name, "start, s / MB"), []).append((started, memory(pid), 0.0))
    print("| server | " + " | ".join(_PAGES) + " | start s | RSS MB |")
    print("|" + "---|" * (len(_PAGES) + 3))
    for contender in contenders:
        cells = []
        for title in _PAGES:
            rate, slow, spent = (
                statistics.median(column) for column in zip(*results[contender.name, title], strict=True)
            )
            cells.append(f"{rate:,.0f} (p99 {slow:.1f} ms, {spent:.3f} ms CPU)")
        started, used, _ = (statistics.median(c) for c in zip(*results[contender.name, "start, s / MB"], strict=True))
        print(f"| {contender.name} | {' | '.join(cells)} | {started:.2f} | {used:.0f} |", flush=True)


def upload_cost(contender: Contender, login: tuple[str, str], times: int = 20) -> float:
    """Milliseconds of server CPU for one upload into a project of 10 files and the page right after it."""
    with running(contender) as (pid, url, _):
        number = int(time.time())
        spent = []
        for turn in range(times + 2):
            filename, content, _ = index_shapes.wheel("project-00077", f"2.{number}.{turn}")
            before = cpu_ns(pid)
            form = {":action": "file_upload"}
            answer = requests.post(url, data=form, files={"content": (filename, content)}, auth=login, timeout=60)
            assert answer.ok, answer.text
            page = requests.get(f"{url}simple/project-00077/", timeout=60)
            assert filename in page.text
            spent.append((cpu_ns(pid) - before) / 1e6)
        return statistics.median(spent[2:])  # the first ones import, and check the password


def cpu_ns(pid: int) -> int:
    """Like `cpu`, from the scheduler's own clock: one upload is less than one tick."""
    total = 0
    for member in group(pid):
        for task in Path(f"/proc/{member}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                total += int(task.read_text().split()[0])
    return total


def ours(root: Path, workers: int) -> Contender:
    words = [
        sys.executable,
        "-m",
        "astronomer_certified.commands.main",
        "index",
        "serve",
        "--index",
        str(root),
        "--fallback",
        "none",
    ]
    return Contender(
        name=f"certified index, {workers} workers" if workers > 1 else "certified index, 1 process",
        argv=lambda port: [*words, "--workers", str(workers), "--port", str(port)],
    )


def nginx(root: Path, work: Path) -> Contender:
    """nginx over the static export, with two workers."""
    target = work / f"export-{root.name}"
    store = Store.open(root / "packages")

    def argv(port: int) -> list[str]:
        static_files.write(store, target, static_files.Serving(listen=f"127.0.0.1:{port}"))
        configuration = work / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""
        configuration.write_text(
            f"daemon off; {user} worker_processes 2; pid {work}/pid; error_log {work}/log;\n"
            "events { worker_connections 1000; }\n"
            "http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 10000000;\n"
            f"include {target}/nginx.conf; }}\n"
        )
        return ["nginx", "-c", str(configuration)]

    return Contender(name="nginx over the export", argv=argv)


def peers(root: Path, work: Path) -> list[Contender]:
    """pypiserver at its best setting, and simple-repository-server; over a folder for each project, and a flat one."""
    venv = work / "peers"
    if not venv.exists():
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "-q", "--python", sys.executable, venv], check=True)
        wanted = ["pypiserver", "watchdog<2.2", "gunicorn", "setuptools<80", "simple-repository-server", "passlib"]
        wanted.append("devpi-server")
        subprocess.run([*uv, "pip", "install", "-q", "--python", venv / "bin" / "python", *wanted], check=True)
    flat = work / f"flat-{root.name}"
    nested = work / f"nested-{root.name}"
    if not flat.exists():
        for path in (root / "packages").glob("*.whl"):
            project = nested / path.name.partition("-")[0].replace("_", "-")
            project.mkdir(parents=True, exist_ok=True)
            flat.mkdir(exist_ok=True)
            (project / path.name).hardlink_to(path)
            (flat / path.name).hardlink_to(path)
    application = f"pypiserver:app(roots=['{flat}'], backend_arg='cached-dir', disable_fallback=True)"
    bin_ = venv / "bin"
    return [
        Contender(
            name="pypiserver, cached-dir, gunicorn -w 2",
            argv=lambda port: [str(bin_ / "gunicorn"), "-w", "2", "-b", f"127.0.0.1:{port}", application],
        ),
        Contender(
            name="simple-repository-server",
            argv=lambda port: [str(bin_ / "simple-repository-server"), "--port", str(port), str(nested)],
        ),
        devpi(root, work, bin_),
    ]


def devpi(root: Path, work: Path, programs: Path) -> Contender:
    """devpi with all files in one index without bases; what it reads is what its own export would have written."""
    served = work / f"devpi-{root.name}"
    if not served.exists():
        dump = work / f"devpi-dump-{root.name}"
        _dump_for_devpi(root, dump)
        half = work / "devpi-half"
        shutil.rmtree(half, ignore_errors=True)
        words = ["--serverdir", half, "--no-root-pypi", "--no-events", "--hard-links", dump]
        subprocess.run([programs / "devpi-import", *words], check=True, stdout=subprocess.DEVNULL)
        half.rename(served)
    server = str(programs / "devpi-server")
    return Contender(
        name="devpi",
        argv=lambda port: [server, "--serverdir", str(served), "--host", "127.0.0.1", "--port", str(port)],
        root="bench/dev/+",
    )


def _dump_for_devpi(root: Path, dump: Path) -> None:
    shutil.rmtree(dump, ignore_errors=True)
    projects: dict[str, dict[str, dict[str, str]]] = {}
    files = []
    for record in Store.open(root / "packages").projects():
        projects[record.name] = {}
        for file in record.files:
            place = Path("bench", "dev", record.name, file.version, file.filename)
            (dump / place.parent).mkdir(parents=True, exist_ok=True)
            (dump / place).hardlink_to(root / "packages" / file.filename)
            data = {"name": record.name, "version": file.version, "requires_python": file.requires_python or ""}
            projects[record.name][file.version] = data
            entry = {"hashes": {"sha256": file.sha256}, "last_modified": "Sun, 13 Sep 2020 12:26:40 GMT"}
            files.append(
                {
                    "type": "releasefile",
                    "projectname": record.name,
                    "version": file.version,
                    "relpath": str(place),
                    "entrymapping": entry,
                }
            )
    index = {"type": "stage", "bases": [], "volatile": False, "acl_upload": ["bench"]}
    users = {name: {"username": name, "pwhash": "", "created": "2020-09-13T12:26:40Z"} for name in ("root", "bench")}
    content = {
        "dumpversion": "2",
        "users": users,
        "indexes": {"bench/dev": {"indexconfig": index, "projects": projects, "files": files}},
    }
    (dump / "dataindex.json").write_text(json.dumps(content))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, nargs="*", default=[20_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument(
        "--alone", action="store_true", help="no nginx either: an export of 200,000 files takes minutes"
    )
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "certified-bench-index")
    args = parser.parse_args()
    for program in ("wrk", "nginx"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is not on this machine (Debian: apt-get install wrk nginx-light)")
    login = ("bench", "a long enough password")
    for files in args.files:
        root = args.work / f"index-{files}"
        root.mkdir(parents=True, exist_ok=True)
        index_shapes.make(root / "packages", files)
        set_password(root / "htpasswd", *login, "bcrypt")
        print(f"\n## {files:,} files\n")
        one, two = ours(root, 1), ours(root, 2)
        contenders = [one, two] if args.alone else [one, two, nginx(root, args.work)]
        if args.peers:
            contenders += peers(root, args.work)
        compare(contenders, args.rounds, args.seconds)
        print(f"\nOne upload and the page after it: {upload_cost(one, login):.1f} ms of CPU")


if __name__ == "__main__":
    main()
