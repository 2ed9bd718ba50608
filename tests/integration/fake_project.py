"""A whole world in small: an upstream index on 127.0.0.1 with a tiny apache-airflow 9.9.9, and a project to certify it.

Everything is real but small: sdists and wheels that setuptools builds, one of them in C; an `airflow` command that does
just what the certified install is asked; an index as installers know it (PEP 503, 658, 691, 700, ranges). What builds,
proves and installs (setuptools, wheel, pytest, pip) is the running interpreter's own, put back into wheels: no network.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import html
import importlib.metadata
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import fake_compiler
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from wheel.wheelfile import WheelFile

from astronomer_certified.effects.disk import memory_folder

VERSION = "9.9.9"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
SDIST = f"apache-airflow-{VERSION}.tar.gz"
UPSTREAM_WHEEL = f"apache_airflow-{VERSION}-py3-none-any.whl"
PATCH = "0001-escape-the-name-in-the-greeting.patch"
PROOF = "test_greeting.py"

LONG_AGO = datetime(2020, 6, 1, tzinfo=UTC)
UPLOADED = datetime(2021, 1, 1, 12, 0, 5, tzinfo=UTC)
CUTOFF = datetime(2021, 1, 8, tzinfo=UTC)
TOO_LATE = datetime(2021, 2, 1, tzinfo=UTC)

# What upstream publishes.

_CORE_SETUP = f"""\
from setuptools import setup

version = '{VERSION}'

setup(
    name='apache-airflow',
    version=version,
    description='Just enough of it',
    long_description='Just enough of it.',
    long_description_content_type='text/markdown',
    packages=['airflow'],
    package_data={{'airflow': ['git_version']}},
    python_requires='>=3.8',
    install_requires=['tiny-wheel', 'tiny-source'],
    extras_require={{
        'celery': ['tiny-machine'],
        'postgres': ['apache-airflow-providers-postgres'],
    }},
    entry_points={{'console_scripts': ['airflow = airflow.command:main']}},
)
"""

GREETING = '''\
"""What the fake Airflow shows to people."""


def greeting(name):
    """The line at the top of every page."""
    return 'Hello, ' + name


def farewell(name):
    """The line at the bottom of every page."""
    return 'Good bye, ' + name
'''

_COMMAND = '''\
"""The `airflow` command, as far as a certified install asks for it."""

import http.server
import json
import sys
from importlib.metadata import version

import tiny_source
import tiny_wheel


class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"metadatabase": {"status": "healthy"}}).encode()
        self.send_response(200 if self.path == "/health" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    words = sys.argv[1:]
    if words == ["version"]:
        print(version("apache-airflow"))
    elif words == ["db", "init"]:
        print("Initialization done")
    elif words == ["dags", "list"]:
        print("dag_id                | filepath")
        print("example_bash_operator | example_bash_operator.py")
    elif words[:2] == ["tasks", "test"]:
        print("Command exited with return code 0")
    elif words[:1] == ["webserver"]:
        port = int(words[words.index("--port") + 1])
        host = words[words.index("--hostname") + 1]
        http.server.ThreadingHTTPServer((host, port), Health).serve_forever()
    else:
        sys.exit("airflow: {!r}?".format(words))
'''

_MACHINE_SETUP = """\
from setuptools import Extension, setup

setup(ext_modules=[Extension('tiny_machine', ['tiny_machine.c'])])
"""

_MACHINE_C = """\
#include <Python.h>

static PyObject *answer(PyObject *self, PyObject *unused) { return PyLong_FromLong(42); }

static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, "The answer."}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "tiny_machine", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_tiny_machine(void) { return PyModule_Create(&module); }
"""

# What the project's humans wrote.

_MANIFEST = """\
version = "{version}"
revision = 1
pythons = ["{python}"]
cutoff = {cutoff:%Y-%m-%dT%H:%M:%SZ}
extras = ["celery", "postgres"]
default-extras = ["celery", "postgres"]

[source]
kind = "sdist"
file = "{sdist}"
sha256 = "{sdist_sha256}"
uploaded = {uploaded:%Y-%m-%dT%H:%M:%SZ}

[upstream-wheel]
file = "{wheel}"
sha256 = "{wheel_sha256}"

[build]
pythons = ">=3.8"
requires = ["setuptools", "wheel"]

[stamp]
file = "setup.py"
line = "version = '{version}'"

[[restore]]
path = "airflow/git_version"
reason = "setup.py names it as package data, but the sdist does not hold it"

[providers]
postgres = "1.0.0"

[certify]
python = "{python}"
pip = "{pip}"
extras = ["celery", "postgres"]
"""

_HEADER = """\
Description: Escape the name in the greeting
 A name is what a user chose; in a page it must not be markup.
Author: The tests <tests@example.invalid>
Origin: vendor
Bug: none, but this is how it would look
Last-Update: 2021-01-02
Proof: {proof}
---
"""

_PROOF = """\
from airflow.greeting import farewell, greeting


def test_a_name_is_not_markup():
    assert greeting('<b>') == 'Hello, &lt;b&gt;'


def test_an_ordinary_name_is_shown_as_it_is():
    assert (greeting('Ada'), farewell('Ada')) == ('Hello, Ada', 'Good bye, Ada')
"""

_RECIPES = """\
[tiny-machine]
compiled = true
build = 1
"""


KEPT = (".incoming", ".records", ".htpasswd.lock")
"""What is hidden in an index and belongs there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One file that somebody put on the upstream index at some moment."""

    filename: str
    content: bytes
    uploaded: datetime = LONG_AGO

    @property
    def project(self) -> str:
        wheel = self.filename.endswith(".whl")
        return parse_wheel_filename(self.filename)[0] if wheel else parse_sdist_filename(self.filename)[0]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def metadata(self) -> bytes | None:
        """The METADATA of a wheel, which the index shows beside it (PEP 658)."""
        if not self.filename.endswith(".whl"):
            return None
        with zipfile.ZipFile(io.BytesIO(self.content)) as zipped:
            [name] = [name for name in zipped.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
            return zipped.read(name)


def make_wheel(folder: Path, name: str, version: str, members: Mapping[str, bytes], info: Mapping[str, bytes]) -> Path:
    """A wheel for every Python 3; `info` are further files of its .dist-info folder."""
    stem = f"{name.replace('-', '_')}-{version}"
    path = folder / f"{stem}-py3-none-any.whl"
    tags = b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with WheelFile(path, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        for member, content in {**members, f"{stem}.dist-info/WHEEL": tags}.items():
            entry = zipfile.ZipInfo(member, (2020, 1, 1, 0, 0, 0))
            # As installers set it: what is a program is one afterwards.
            entry.external_attr = (0o100755 if content.startswith(b"#!") else 0o100644) << 16
            archive.writestr(entry, content)
        for member, content in info.items():
            archive.writestr(f"{stem}.dist-info/{member}", content)
    return path


def core_metadata(name: str, version: str, *requires: str) -> bytes:
    """PKG-INFO or METADATA that a resolver believes without a build (metadata 2.2, PEP 643)."""
    lines = ["Metadata-Version: 2.2", f"Name: {name}", f"Version: {version}", "Summary: tiny", "Requires-Python: >=3.8"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    return ("\n".join([*lines, "Description-Content-Type: text/markdown", "", "What it is."]) + "\n").encode()


def tiny_wheel(folder: Path, name: str, version: str, *requires: str) -> bytes:
    """A pure wheel with one module."""
    module = {f"{name.replace('-', '_')}.py": f"VERSION = {version!r}\n".encode()}
    return make_wheel(folder, name, version, module, {"METADATA": core_metadata(name, version, *requires)}).read_bytes()


def provider(folder: Path) -> Upload:
    """A provider as upstream makes them: a wheel with a hook, which requires Airflow itself."""
    name = "apache-airflow-providers-postgres"
    hook = b"import airflow.greeting\n\n\nclass PostgresHook:\n    pass\n"
    members = {
        "airflow/providers/postgres/__init__.py": b"",
        "airflow/providers/postgres/hooks/__init__.py": b"",
        "airflow/providers/postgres/hooks/postgres.py": hook,
    }
    info = {"METADATA": core_metadata(name, "1.0.0", f"apache-airflow>={VERSION}")}
    path = make_wheel(folder, name, "1.0.0", members, info)
    return Upload(filename=path.name, content=path.read_bytes())


def compiler(folder: Path) -> Upload:
    """What stands for the compiler of all machine code."""
    version = fake_compiler.VERSION
    metadata = {"METADATA": core_metadata("ziglang", version)}
    path = make_wheel(folder, "ziglang", version, fake_compiler.zig_members(), metadata)
    return Upload(filename=path.name, content=path.read_bytes())


def sdist(name: str, version: str, members: Mapping[str, str | bytes]) -> bytes:
    """A .tar.gz with one top folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for path, text in members.items():
            content = text.encode() if isinstance(text, str) else text
            entry = tarfile.TarInfo(f"{name}-{version}/{path}")
            entry.size = len(content)
            entry.mtime = int(UPLOADED.timestamp())
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


_BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"


def upstreams_own_wheel(folder: Path, members: Mapping[str, str | bytes]) -> bytes:
    """The wheel that setuptools makes of a source folder with these files."""
    source, out = folder / "source", folder / "out"
    for path, text in members.items():
        target = source / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)
    subprocess.run([sys.executable, "-c", _BUILD, out], cwd=source, check=True, capture_output=True)
    [wheel] = out.glob("*.whl")
    return wheel.read_bytes()


def installed_closure(*names: str) -> Iterator[importlib.metadata.Distribution]:
    """The installed distributions of these names and of all that they need here."""
    ahead, seen = [*names], set[str]()
    while ahead:
        name = canonicalize_name(ahead.pop())
        if name in seen:
            continue
        seen.add(name)
        found = importlib.metadata.distribution(name)
        yield found
        requirements = map(Requirement, found.requires or ())
        ahead += [r.name for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]


def repacked(distribution: importlib.metadata.Distribution, folder: Path) -> Upload:
    """A wheel of what is installed: the files of its RECORD, without what its installer added."""
    stem = f"{distribution.metadata['Name'].replace('-', '_')}-{distribution.version}"
    members: dict[str, bytes] = {}
    info: dict[str, bytes] = {}
    for file in distribution.files or ():
        if ".." in file.parts or file.suffix == ".pyc" or file.name.startswith("__editable__"):
            continue
        if not file.parts[0].endswith(".dist-info"):
            members[str(file)] = file.read_binary()
        elif file.name not in ("RECORD", "WHEEL", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"):
            info[str(Path(*file.parts[1:]))] = file.read_binary()
    path = make_wheel(folder, distribution.metadata["Name"], distribution.version, members, info)
    assert path.name.startswith(stem)
    return Upload(filename=path.name, content=path.read_bytes())


def uploads(folder: Path) -> tuple[Upload, ...]:
    """Every file that the fake upstream index has."""

    def tools() -> Iterator[Upload]:
        for distribution in installed_closure("setuptools", "wheel", "pytest", "pip"):
            yield repacked(distribution, folder)

    def wheel(name: str, version: str, *requires: str, uploaded: datetime = LONG_AGO) -> Upload:
        content = tiny_wheel(folder, name, version, *requires)
        filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        return Upload(filename=filename, content=content, uploaded=uploaded)

    core: dict[str, str | bytes] = {
        "setup.py": _CORE_SETUP,
        "PKG-INFO": core_metadata("apache-airflow", VERSION),
        "airflow/__init__.py": "",
        "airflow/greeting.py": GREETING,
        "airflow/command.py": _COMMAND,
        # Larger than what is read from the network at once, so that a download can be torn in its midst.
        "docs/picture.png": random.Random(9).randbytes(600_000),
    }
    source: dict[str, str | bytes] = {
        "setup.py": "from setuptools import setup\n\nsetup(py_modules=['tiny_source'])\n",
        "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n\n'
        '[project]\nname = "tiny-source"\nversion = "1.0"\n',
        "PKG-INFO": core_metadata("tiny-source", "1.0"),
        "tiny_source.py": "VERSION = '1.0'\n",
    }
    machine: dict[str, str | bytes] = {
        "setup.py": _MACHINE_SETUP,
        "setup.cfg": "[metadata]\nname = tiny-machine\nversion = 1.0\n",
        "PKG-INFO": core_metadata("tiny-machine", "1.0"),
        "tiny_machine.c": _MACHINE_C,
    }
    theirs = upstreams_own_wheel(folder / "core", {**core, "airflow/git_version": ".release:1234567\n"})
    return (
        *tools(),
        compiler(folder),
        Upload(filename=SDIST, content=sdist("apache-airflow", VERSION, core), uploaded=UPLOADED),
        Upload(filename=UPSTREAM_WHEEL, content=theirs, uploaded=UPLOADED),
        Upload(filename="tiny-source-1.0.tar.gz", content=sdist("tiny-source", "1.0", source)),
        Upload(filename="tiny-machine-1.0.tar.gz", content=sdist("tiny-machine", "1.0", machine)),
        wheel("tiny-wheel", "0.9"),
        wheel("tiny-wheel", "1.0"),
        wheel("tiny-wheel", "1.1", uploaded=TOO_LATE),
        provider(folder),
    )


@dataclass(slots=True, kw_only=True)
class Weather:
    """How the upstream index behaves; a test may change it at any time."""

    away: bool = False
    """Every connection is closed without an answer."""
    tears: list[int] = field(default_factory=list)
    """After how many bytes each of the next transfers of files ends that have more."""
    rotten: set[str] = field(default_factory=set)
    """File names whose last byte is another one than it was when it was listed."""
    pause: float = 0.0
    """Seconds before each answer."""
    asked: list[str] = field(default_factory=list)
    """Every request, as `GET /path` or, for a part, `GET /path bytes=N-`."""


class Upstream:
    """An index for the length of a `with` block, in a thread of this process."""

    def __init__(self, files: Sequence[Upload]) -> None:
        self.files = {file.filename: file for file in files}
        self.weather = Weather()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.upstream = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/simple/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    upstream: Upstream

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed in the middle is what these tests are about."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: `asked` has it."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        weather = self.server.upstream.weather
        wanted = self.headers.get("Range", "")
        weather.asked.append(f"{self.command} {self.path} {wanted}".strip())
        time.sleep(weather.pause)
        if weather.away:
            self.close_connection = True
            return
        _, kind, *rest = self.path.split("/")
        if kind == "simple" and rest:
            self._project(rest[0])
        elif kind == "files" and rest:
            self._file(rest[0])
        else:
            self._answer(404, b"")

    def _answer(self, status: int, body: bytes, kind: str = "text/plain", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _project(self, name: str) -> None:
        files = [file for file in self.server.upstream.files.values() if file.project == canonicalize_name(name)]
        if not files:
            self._answer(404, b"")
        elif "application/vnd.pypi.simple.v1+json" in self.headers.get("Accept", ""):
            page = {"meta": {"api-version": "1.1"}, "name": name, "versions": [], "files": [_listed(f) for f in files]}
            self._answer(200, json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json")
        else:
            links = [f'<a href="/files/{f.filename}#sha256={f.sha256}">{html.escape(f.filename)}</a>' for f in files]
            self._answer(200, ("<!DOCTYPE html>\n" + "\n".join(links)).encode(), "text/html")

    def _file(self, filename: str) -> None:
        upstream = self.server.upstream
        file = upstream.files.get(filename.removesuffix(".metadata"))
        content = None if file is None else file.content if filename == file.filename else file.metadata
        if content is None:
            self._answer(404, b"")
            return
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if filename in upstream.weather.rotten:
            content = content[:-1] + bytes([content[-1] ^ 1])
        status, start, part = 200, 0, content
        headers = {"Accept_Ranges": "bytes", "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        if asked:
            first, last = asked.groups()
            start = int(first) if first else max(0, len(content) - int(last))
            stop = int(last) + 1 if first and last else len(content)
            status, part = (206, content[start:stop]) if start < len(content) else (416, b"")
            headers["Content_Range"] = f"bytes {start}-{start + len(part) - 1}/{len(content)}"
        tears = upstream.weather.tears
        if tears and tears[0] < len(part):
            self._torn(status, part, tears.pop(0), headers)
        else:
            self._answer(status, part, "application/octet-stream", **headers)

    def _torn(self, status: int, body: bytes, after: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body[:after])
        self.close_connection = True


def _listed(file: Upload) -> dict[str, Any]:
    return {
        "filename": file.filename,
        "url": f"/files/{file.filename}",
        "hashes": {"sha256": file.sha256},
        "size": len(file.content),
        "upload-time": f"{file.uploaded:%Y-%m-%dT%H:%M:%S.%fZ}",
        "yanked": False,
        "core-metadata": file.metadata is not None,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A run of the command that is over."""

    status: int
    stdout: str
    stderr: str

    @property
    def files(self) -> dict[str, tuple[int, str]]:
        """Size and sha256 by file name, from the closing table."""
        rows = re.findall(r"^(\S+) +(\d+)  ([0-9a-f]{64})$", self.stdout, re.MULTILINE)
        return {name: (int(size), sha256) for name, size, sha256 in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project folder and the world its command runs in."""

    root: Path
    cache: Path
    index_url: str
    variables: Mapping[str, str] = field(default_factory=dict)

    # Where things are.

    @property
    def manifest(self) -> Path:
        return self.root / "patches" / VERSION / "release.toml"

    @property
    def patch(self) -> Path:
        return self.root / "patches" / VERSION / PATCH

    @property
    def proof(self) -> Path:
        return self.root / "patches" / "proofs" / PROOF

    @property
    def constraints(self) -> Path:
        return self.root / "constraints" / VERSION

    @property
    def dist(self) -> Path:
        return self.root / "dist" / VERSION

    @property
    def build(self) -> Path:
        return self.root / "build" / VERSION

    @property
    def store(self) -> Path:
        return self.root / "index" / "packages"

    @property
    def certificate(self) -> Path:
        return self.dist / f"certificate-{VERSION}-1.json"

    # What is seen there.

    def wheels(self) -> dict[str, str]:
        """The sha256 of every made wheel by its file name."""
        return {path.name: sha256_of(path) for path in sorted(self.dist.rglob("*.whl")) if path.is_file()}

    def published(self) -> dict[str, str]:
        """The sha256 of every published wheel by its file name."""
        return {path.name: sha256_of(path) for path in sorted(self.store.glob("*.whl"))}

    def receipts(self) -> dict[str, bytes]:
        """What every receipt says, by the name of its step."""
        return {path.stem: path.read_bytes() for path in sorted((self.build / "receipts").glob("*.json"))}

    def left_over(self) -> list[str]:
        """Temporaries of whatever was made here, on disk and in memory."""
        places = [self.root / "build", self.root / "dist", self.root / "constraints", self.root / "index"]
        found = [path for place in places for path in place.rglob(".*") if path.name not in KEPT]
        # Environments that are kept have hidden files of uv's inside.
        found = [path for path in found if path.parent.parent.name != "proof-environments"]
        found += [*(self.store / ".incoming").glob("*")]
        # Of what stands for these in memory nothing is left, not even the folder itself.
        made_of = [self.dist, self.dist / "wheelhouse", self.root / "build", self.cache / "commits"]
        found += [room for place in made_of if (room := memory_folder(place)) != place and room.exists()]
        # An environment inside a temporary has hidden files of its own; naming the outermost is enough.
        return sorted({str(path) for path in found if not any(parent in found for parent in path.parents)})

    # What is done with it.

    def environment(self, **variables: str) -> dict[str, str]:
        """The environment of the command: nothing of the person who runs the tests but PATH and locale."""
        home = self.cache / "home"
        home.mkdir(parents=True, exist_ok=True)
        kept = ("PATH", "LANG", "LC_ALL", "TMPDIR", "COVERAGE_PROCESS_START", "COVERAGE_FILE")
        return {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "HOME": str(home),
            "XDG_CACHE_HOME": str(self.cache),
            "CERTIFIED_UPSTREAM_INDEX_URL": self.index_url,
            "CERTIFIED_INDEX_DIR": str(self.root / "index"),
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "UV_PYTHON_DOWNLOADS": "never",
            **self.variables,
            **variables,
        }

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "astronomer_certified.commands.main", "-C", str(self.root), *words]

    def run(self, *words: str, **variables: str) -> Finished:
        """The command, run to its end; `run("release")` means `certified release 9.9.9`."""
        verb, *rest = words
        return self.certified(verb, VERSION, *rest, **variables)

    def certified(self, *words: str, **variables: str) -> Finished:
        """The command in just these words, run to its end."""
        env = self.environment(**variables)
        done = subprocess.run(self.argv(*words), env=env, capture_output=True, text=True, check=False, timeout=180)
        return Finished(status=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def must(self, *words: str, **variables: str) -> Finished:
        """The command, run to its good end."""
        finished = self.run(*words, **variables)
        assert finished.status == 0, finished.stderr
        return finished

    def start(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        """The command, started in a process group of its own, stderr readable line by line."""
        verb, *rest = words
        return subprocess.Popen(
            self.argv(verb, VERSION, *rest),
            env=self.environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # In the background of a shell tests inherit that SIGINT is ignored; a command that a person types does not.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def edit(self, path: Path, old: str, new: str) -> None:
        """`old`, which stands in that file once, is `new`."""
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} in {path}: {text.count(old)} times"
        path.write_text(text.replace(old, new))

    def copy(self, root: Path, *, cache: Path | None = None, index_url: str | None = None) -> Project:
        """What humans wrote here, in another place."""
        for name in ("patches", "constraints"):
            shutil.copytree(self.root / name, root / name)
        return replace(self, root=root, cache=cache or self.cache, index_url=index_url or self.index_url)


def write_project(root: Path, files: Mapping[str, Upload], cache: Path, index_url: str) -> Project:
    """A project without constraints yet."""
    project = Project(root=root, cache=cache, index_url=index_url)
    pip = next(file for file in files.values() if file.project == "pip")
    pip_version = parse_wheel_filename(pip.filename)[1]
    installer = root / "constraints" / "installers" / f"pip-{pip_version}.txt"
    toolchain = {canonicalize_name(found.metadata["Name"]) for found in installed_closure("setuptools", "wheel")}
    written = {
        project.manifest: _MANIFEST.format(
            version=VERSION, python=PYTHON, cutoff=CUTOFF, uploaded=UPLOADED, pip=pip_version,
            sdist=SDIST, sdist_sha256=files[SDIST].sha256,
            wheel=UPSTREAM_WHEEL, wheel_sha256=files[UPSTREAM_WHEEL].sha256,
        ),
        project.manifest.parent / "series": f"{PATCH}\n",
        project.patch: _HEADER.format(proof=PROOF) + _escaping_diff(),
        project.proof: _PROOF,
        root / "constraints" / "builds.toml": _RECIPES,
        root / "constraints" / "native.toml": "",
        root / "constraints" / "compilers.txt": "".join(
            f"ziglang=={fake_compiler.VERSION} --hash=sha256:{file.sha256}\n"
            for file in files.values()
            if file.project == "ziglang"
        ),
        root / "constraints" / "toolchain.txt": "".join(
            f"{file.project}=={parse_wheel_filename(file.filename)[1]} --hash=sha256:{file.sha256}\n"
            for file in files.values()
            if file.project in toolchain
        ),
        installer: f"pip=={pip_version} \\\n    --hash=sha256:{pip.sha256}\n",
    }  # fmt: skip
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return project


def _escaping_diff() -> str:
    ours = GREETING.replace("'Hello, ' + name", "'Hello, ' + html.escape(name)")
    ours = ours.replace('people."""\n', 'people."""\n\nimport html\n', 1)
    name = "airflow/greeting.py"
    lines = difflib.unified_diff(GREETING.splitlines(True), ours.splitlines(True), f"a/{name}", f"b/{name}")
    return f"diff --git a/{name} b/{name}\n" + "".join(lines)


def not_done(finished: Finished) -> str:
    assert "\nNOT DONE on this machine (" in finished.stdout
    return finished.stdout[finished.stdout.index("\nNOT DONE") :].split("\nInstall it")[0]


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def assert_sound_wheel(path: Path) -> None:
    """The wheel opens, and its RECORD (PEP 376) lists exactly its files with their true sha256."""
    with zipfile.ZipFile(path) as zipped:
        assert zipped.testzip() is None, path
        names = zipped.namelist()
        [record] = [name for name in names if name.endswith(".dist-info/RECORD")]
        rows = {row[0]: row[1] for row in csv.reader(zipped.read(record).decode().splitlines())}
        assert sorted(rows) == sorted(names), path
        for name in names:
            digest = urlsafe_b64encode(hashlib.sha256(zipped.read(name)).digest()).rstrip(b"=").decode()
            assert name == record or rows[name] == f"sha256={digest}", f"{path}: {name}"


@dataclass(frozen=True, slots=True)
class Process:
    """A process as /proc shows it; `born` tells it from a later one with the same id."""

    pid: int
    born: str

    @classmethod
    def at(cls, pid: int) -> tuple[Process, int] | None:
        """The process and its parent's id; None when there is none (any more)."""
        try:
            words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            return None
        return None if words[0] == "Z" else (cls(pid, words[19]), int(words[1]))

    def lives(self) -> bool:
        found = self.at(self.pid)
        return found is not None and found[0] == self

    def kill(self) -> None:
        if self.lives():
            os.kill(self.pid, signal.SIGKILL)


def descendants(pid: int) -> list[Process]:
    """All processes below that one, as they are now."""
    children: dict[int, list[Process]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        if (found := Process.at(int(path.name))) is not None:
            children.setdefault(found[1], []).append(found[0])
    below: list[Process] = []
    ahead = [pid]
    while ahead:
        here = children.get(ahead.pop(), [])
        below += here
        ahead += [process.pid for process in here]
    return below
