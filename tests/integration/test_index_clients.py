"""Clients that nobody here wrote, each for real: pip from 19.3.1 to the newest, uv, twine, pip-tools, poetry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from index_fixtures import IndexFolder, make_wheel, post, run, sha256
from packaging.utils import NormalizedName
from twine.commands.upload import skip_upload
from twine.package import PackageFile

from astronomer_certified.artifacts import Python
from astronomer_certified.effects.processes import clean_environment
from astronomer_certified.errors import EnvironmentMissing
from astronomer_certified.index.auth.credentials import set_password
from astronomer_certified.index.http.options import Options
from astronomer_certified.index.http.server import Server
from astronomer_certified.index.store.records import ProjectRecord, timestamp
from astronomer_certified.index.store.store import Store, Upload
from astronomer_certified.pythons import interpreters

# Which pip runs on which Python: the oldest that users of Airflow 1.10 and 2.0 have, those between in which the
# simple API changed for installers (20.3 resolver, 22.2 metadata, 23.2 PEP 714), and the newest.
PIPS = [
    ("19.3.1", Python(3, 8)), ("20.3.4", Python(3, 8)), ("22.3.1", Python(3, 8)), ("23.0.1", Python(3, 8)),
    ("24.0", Python(3, 11)), (None, Python(3, 11)),
]  # fmt: skip
# When each of the shop's wheels was uploaded, and a moment between the uploads of `app` 1.0 and 2.0.
UPLOADED = [datetime(2021, month, 1, tzinfo=UTC) for month in (1, 2, 3, 5)]
BETWEEN = "2021-04-01T00:00:00Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A running index with `app` 1.0 and 2.0, which needs `lib`, whose 1.1 is yanked."""

    server: Server
    wheels: Mapping[str, Path]
    root: Path

    def environment(self, **extra: str) -> dict[str, str]:
        home = self.root / "home"
        home.mkdir(exist_ok=True)
        return clean_environment(HOME=str(home), **extra)


@pytest.fixture(scope="module")
def shop(login: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    root = tmp_path_factory.mktemp("shop")
    made = [
        make_wheel(root, "lib", "1.0"),
        make_wheel(root, "lib", "1.1"),
        make_wheel(root, "app", "1.0", requires=["lib>=1.0"]),
        make_wheel(root, "app", "2.0", requires=["lib>=1.0"]),
    ]
    store = Store.open(root / "store")
    for wheel, uploaded in zip(made, UPLOADED, strict=True):
        with wheel.open("rb") as stream:
            store.add(Upload(filename=wheel.name), stream)
        date(store, wheel.name, uploaded)
    yank(store, "lib", "1.1")
    with Server(root / "store", credentials=login / "htpasswd", fallback=False) as server:
        yield Shop(server=server, wheels={wheel.name: wheel for wheel in made}, root=root)


def date(store: Store, filename: str, uploaded: datetime) -> None:
    """That file was uploaded at that moment."""
    name = NormalizedName(filename.partition("-")[0])

    def change(record: ProjectRecord) -> ProjectRecord:
        file = record.find(filename)
        assert file is not None
        return record.holding(replace(file, uploaded=timestamp(uploaded.timestamp())))

    store.change(name, change)


def yank(store: Store, project: str, version: str) -> None:
    words = [sys.executable, "-m", "astronomer_certified.commands.main", "index", "yank", project, version]
    (store.root.parent / "index").mkdir(exist_ok=True)
    (store.root.parent / "index" / "packages").symlink_to(store.root)
    subprocess.run([*words, "--index", str(store.root.parent / "index")], check=True, capture_output=True)


def succeeded(words: list[str | Path], env: Mapping[str, str], cwd: Path | None = None) -> str:
    done = subprocess.run(words, env=env, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout + done.stderr


def interpreter(python: Python) -> Path:
    try:
        return interpreters.require(python, "a client").executable
    except EnvironmentMissing as err:
        pytest.skip(str(err).splitlines()[0])


@pytest.mark.network
@pytest.mark.parametrize(("version", "python"), PIPS, ids=[f"pip {v or 'newest'} on {p}" for v, p in PIPS])
def test_pip_installs(shop: Shop, tmp_path: Path, version: str | None, python: Python) -> None:
    venv = tmp_path / "venv"
    pin = f"pip=={version}" if version else "pip"
    uv = interpreters.uv()
    succeeded([uv, "venv", "--python", interpreter(python), venv], dict(os.environ))
    succeeded([uv, "pip", "install", "--python", venv / "bin" / "python", pin, "setuptools"], dict(os.environ))

    said = succeeded(
        [venv / "bin" / "python", "-m", "pip", "install", "--isolated", "--no-cache-dir", "--index-url",
         shop.server.simple_url, "--disable-pip-version-check", "app"],
        shop.environment(),
    )  # fmt: skip

    assert "Successfully installed app-2.0 lib-1." in said
    if version != "19.3.1":  # which came before it knew what to do with a yank of one of several candidates
        assert "lib-1.0" in said


def test_pip_and_uv_find_their_links_on_one_page_of_all_files(shop: Shop, tmp_path: Path) -> None:
    flags: list[str | Path] = ["--no-index", "--find-links", f"{shop.server.url}packages/"]
    pip: list[str | Path] = [sys.executable, "-m", "pip", "download", "--isolated", "--no-cache-dir"]
    succeeded([*pip, *flags, "--dest", tmp_path / "got", "app"], shop.environment())
    assert {path.name for path in (tmp_path / "got").iterdir()} == {
        "app-2.0-py3-none-any.whl",
        "lib-1.0-py3-none-any.whl",
    }
    assert sha256(tmp_path / "got" / "app-2.0-py3-none-any.whl") == sha256(shop.wheels["app-2.0-py3-none-any.whl"])

    (tmp_path / "in.txt").write_text("app\n")
    environment = shop.environment(UV_CACHE_DIR=str(tmp_path / "cache"))
    said = succeeded([interpreters.uv(), "pip", "compile", "--no-config", *flags, tmp_path / "in.txt"], environment)
    assert "app==2.0" in said


def test_uv_installs_and_resolves_as_of_a_date(shop: Shop, tmp_path: Path) -> None:
    uv = interpreters.uv()
    environment = shop.environment(UV_CACHE_DIR=str(tmp_path / "cache"))
    flags: list[str | Path] = ["--no-config", "--index-url", shop.server.simple_url]
    succeeded([uv, "venv", "--no-config", "--python", sys.executable, tmp_path / "venv"], environment)
    said = succeeded(
        [uv, "pip", "install", *flags, "--python", tmp_path / "venv" / "bin" / "python", "app"], environment
    )
    assert "app==2.0" in said
    assert "lib==1.0" in said

    (tmp_path / "in.txt").write_text("app\n")
    compiled = [uv, "pip", "compile", *flags, "--generate-hashes", "--exclude-newer", BETWEEN, tmp_path / "in.txt"]
    said = succeeded(compiled, environment)
    assert "app==1.0" in said
    assert f"sha256:{sha256(shop.wheels['app-1.0-py3-none-any.whl'])}" in said


def test_uv_and_twine_publish(index_folder: IndexFolder, index: Server, tmp_path: Path) -> None:
    mine, yours = make_wheel(tmp_path, "mine"), make_wheel(tmp_path, "yours")
    environment = clean_environment(UV_CACHE_DIR=str(tmp_path / "cache"), HOME=str(tmp_path))
    login = {
        "UV_PUBLISH_USERNAME": index_folder.credentials.user,
        "UV_PUBLISH_PASSWORD": index_folder.credentials.password,
    }
    publish: list[str | Path] = [interpreters.uv(), "publish", "--no-config", "--publish-url", index.url]

    succeeded([*publish, mine], environment | login)
    succeeded([*publish, "--check-url", index.simple_url, mine], environment | login)
    twine = [sys.executable, "-m", "twine", "upload", "--non-interactive", "--config-file", os.devnull]
    words = [*twine, "--repository-url", index.url, str(yours)]
    quiet = {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", "TWINE_USERNAME": index_folder.credentials.user}
    assert run(words, env=environment | quiet | {"TWINE_PASSWORD": index_folder.credentials.password}).returncode == 0
    wrong = run(words, env=environment | quiet | {"TWINE_PASSWORD": "wrong"})

    assert wrong.returncode != 0
    assert "403" in wrong.stdout + wrong.stderr
    assert index_folder.published() == {mine.name, yours.name}


@pytest.mark.network
def test_pip_tools_resolves_with_hashes(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("app\n")
    words: list[str | Path] = [
        interpreters.uv(),
        "tool",
        "run",
        "--from",
        "pip-tools",
        "--with",
        "pip<26",
        "pip-compile",
    ]
    words += ["--generate-hashes", "--no-config", "--index-url", shop.server.simple_url, "-o", "out.txt", "in.txt"]
    # The tool itself comes from the machine's own index; what it resolves must not.
    isolated = dict(os.environ) | {"PIP_CONFIG_FILE": os.devnull, "PIP_TOOLS_CACHE_DIR": str(tmp_path / "cache")}
    isolated = {
        name: value for name, value in isolated.items() if name not in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL")
    }
    succeeded(words, isolated, cwd=tmp_path)

    out = (tmp_path / "out.txt").read_text()
    assert "app==2.0" in out
    assert "lib==1.0" in out
    assert f"sha256:{sha256(shop.wheels['app-2.0-py3-none-any.whl'])}" in out


@pytest.mark.network
def test_poetry_locks(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["app"]\n'
        f'[[tool.poetry.source]]\nname = "certified"\nurl = "{shop.server.simple_url}"\npriority = "primary"\n'
    )
    words: list[str | Path] = [interpreters.uv(), "tool", "run", "poetry", "lock", "--no-interaction"]
    environment = dict(os.environ) | {"POETRY_CACHE_DIR": str(tmp_path / "cache"), "POETRY_VIRTUALENVS_CREATE": "false"}
    succeeded(words, environment, cwd=tmp_path)

    lock = (tmp_path / "poetry.lock").read_text()
    assert 'name = "app"\nversion = "2.0"' in lock
    assert 'name = "lib"\nversion = "1.0"' in lock
    assert f"sha256:{sha256(shop.wheels['app-2.0-py3-none-any.whl'])}" in lock


# --- an index that is read with a login

PASSWORD = "pässword with spaces"


@pytest.fixture
def private(shop: Shop, tmp_path: Path) -> Iterator[Server]:
    """The shop, for who has a login."""
    set_password(tmp_path / "htpasswd", "ann", PASSWORD, "bcrypt")
    options = Options(private=True)
    with Server(shop.root / "store", credentials=tmp_path / "htpasswd", fallback=False, options=options) as server:
        yield server


def netrc(folder: Path, password: str) -> str:
    path = folder / "netrc"
    path.write_text(f'machine 127.0.0.1 login ann password "{password}"\n', encoding="utf-8")
    path.chmod(0o600)
    return str(path)


def keyring(folder: Path) -> Path:
    """A folder with a program `keyring` that knows the password, as pip and uv ask for it."""
    program = folder / "bin" / "keyring"
    program.parent.mkdir()
    creds = json.dumps({"username": "ann", "password": PASSWORD}, ensure_ascii=False)
    script = f"#!/bin/sh\ncase \"$*\" in *json*) echo '{creds}';; *) echo '{PASSWORD}';; esac\n"
    program.write_text(script, encoding="utf-8")
    program.chmod(0o755)
    return program.parent


@pytest.mark.parametrize("how", ["address", "netrc", "keyring"])
def test_pip_and_uv_read_a_private_index(private: Server, tmp_path: Path, how: str) -> None:
    found = keyring(tmp_path)
    environment = clean_environment(HOME=str(tmp_path), UV_CACHE_DIR=str(tmp_path / "cache"), LC_ALL="C.UTF-8")
    environment["PATH"] = f"{found}:{os.environ['PATH']}"
    url, flags = private.simple_url, list[str]()
    if how == "address":
        url = url.replace("://", f"://ann:{quote(PASSWORD)}@")
    elif how == "netrc":
        environment["NETRC"] = netrc(tmp_path, PASSWORD)
    else:
        url, flags = url.replace("://", "://ann@"), ["--keyring-provider", "subprocess"]
    pip = [sys.executable, "-m", "pip", "--isolated", "--no-cache-dir", "--disable-pip-version-check", "download"]
    uv: list[str | Path] = [interpreters.uv(), "pip", "compile", "--no-config", tmp_path / "in.txt"]
    (tmp_path / "in.txt").write_text("app\n")

    for words in ([*pip, "--dest", tmp_path / "got", "app"], uv):
        assert "app" in succeeded([*words, *flags, "--index-url", url], environment)
    assert {path.name for path in (tmp_path / "got").iterdir()} == {
        "app-2.0-py3-none-any.whl", "lib-1.0-py3-none-any.whl"
    }  # fmt: skip

    environment["NETRC"] = netrc(tmp_path, "wrong")
    denied = [*pip, "--dest", tmp_path / "none", "--no-input", "app", "--index-url", private.simple_url]
    done = subprocess.run(denied, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0


def test_a_name_that_is_taken_is_told_as_every_client_knows_it(
    index_folder: IndexFolder, index: Server, tmp_path: Path
) -> None:
    mine, other = make_wheel(tmp_path / "a", "mine"), make_wheel(tmp_path / "b", "mine", content="x = 1\n")
    login = index_folder.credentials
    twine = [
        sys.executable, "-m", "twine", "upload", "--disable-progress-bar", "--non-interactive", "--repository-url",
        index.url, "-u", login.user, "-p", login.password,
    ]  # fmt: skip
    succeeded([*twine, mine], dict(os.environ))

    again = subprocess.run([*twine, other], capture_output=True, text=True, timeout=60, check=False)
    assert again.returncode == 1
    assert "File already exists: mine-1.0-py3-none-any.whl is published already" in " ".join(again.stdout.split())
    # twine takes --skip-existing for the public index alone; what others of its kind do is what it does there.
    answer = post(index.url, login, other.name, other.read_bytes())
    assert skip_upload(answer, True, PackageFile.from_filename(str(other), None))
    uv = subprocess.run(
        [interpreters.uv(), "publish", "--no-config", "--publish-url", index.url, "--check-url", index.simple_url,
         "--username", login.user, "--password", login.password, other],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert uv.returncode != 0
    assert "Local file and index file do not match" in uv.stderr
