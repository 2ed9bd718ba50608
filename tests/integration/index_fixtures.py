"""What tests of the index share: an index folder with a login, wheels, uploads, servers in their own processes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from wheel.wheelfile import WheelFile

from astronomer_certified.index.auth.credentials import Credentials, ensure_credentials
from astronomer_certified.index.http.server import Server

SERVE = """
import sys
from pathlib import Path
from astronomer_certified.index.http.server import Server, serve_forever
server = Server(Path(sys.argv[1]), credentials=Path(sys.argv[2]), fallback=False)
serve_forever(server, ready=lambda server: print(server.url, flush=True))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFolder:
    """The files of one index and who uploads to it: a store, a login to it and a place to build wheels in."""

    root: Path
    credentials: Credentials

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def htpasswd(self) -> Path:
        return self.root / "htpasswd"

    def server(self, *, fallback: bool | str = False) -> Server:
        return Server(self.store, credentials=self.htpasswd, fallback=fallback)

    def published(self) -> set[str]:
        return {path.name for path in self.store.iterdir() if not path.name.startswith(".")}

    def left_over(self) -> list[str]:
        return [path.name for path in (self.store / ".incoming").iterdir()]


@pytest.fixture(scope="session")
def login(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the two files of a login, made once: bcrypt is slow on purpose."""
    folder = tmp_path_factory.mktemp("login")
    ensure_credentials(folder / "htpasswd", folder / "secret")
    return folder


@pytest.fixture
def index_folder(tmp_path: Path, login: Path) -> IndexFolder:
    (tmp_path / "htpasswd").write_bytes((login / "htpasswd").read_bytes())
    password = (login / "secret").read_text().strip()
    return IndexFolder(root=tmp_path, credentials=Credentials(user="certified", password=password))


@pytest.fixture
def index(index_folder: IndexFolder) -> Iterator[Server]:
    with index_folder.server() as server:
        yield server


@pytest.fixture(scope="session")
def spawn() -> Iterator[Callable[[IndexFolder], tuple[subprocess.Popen[str], str]]]:
    """Starts an index in a process of its own; the process and its URL come back."""
    started: list[subprocess.Popen[str]] = []

    def start(index_folder: IndexFolder) -> tuple[subprocess.Popen[str], str]:
        argv = [sys.executable, "-c", SERVE, str(index_folder.store), str(index_folder.htpasswd)]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.communicate()


def run(argv: Sequence[str], *, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)


def make_wheel(
    folder: Path,
    name: str = "tiny",
    version: str = "1.0",
    *,
    content: str = "",
    requires: Sequence[str] = (),
    filename: str | None = None,
    text: str = "What it is.",
) -> Path:
    """A wheel that pip installs; `content` makes its bytes differ, `filename` makes it lie. `text` describes it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
    metadata += ["Description-Content-Type: text/markdown", "", text] if text else []
    with WheelFile(path, "w") as archive:
        archive.writestr(f"{name}.py", content)
        archive.writestr(f"{name}-{version}.dist-info/METADATA", "\n".join(metadata) + "\n")
        archive.writestr(
            f"{name}-{version}.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
    return path.rename(folder / filename) if filename else path


def post(url: str, login: Credentials, filename: str, content: bytes, **fields: str) -> requests.Response:
    return requests.post(
        url,
        data={":action": "file_upload", **fields},
        files={"content": (filename, content)},
        auth=(login.user, login.password),
        timeout=120,
    )


def multipart(filename: str, content: bytes) -> tuple[dict[str, str], bytes]:
    prepared = requests.Request(
        "POST", "http://x/", data={":action": "file_upload"}, files={"content": (filename, content)}
    ).prepare()
    assert isinstance(prepared.body, bytes)
    return dict(prepared.headers), prepared.body


def pip_download(simple_url: str, requirement: str, into: Path, *more: str) -> subprocess.CompletedProcess[str]:
    # Nothing of this machine's pip settings: they may name other places to find packages.
    env = {"PATH": os.defpath, "PIP_CONFIG_FILE": os.devnull, "HOME": str(into)}
    argv = [sys.executable, "-m", "pip", "download", "--isolated", "--disable-pip-version-check"]
    argv += ["--no-cache-dir", "--dest", str(into), "--index-url", simple_url, *more, requirement]
    return run(argv, env=env)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
