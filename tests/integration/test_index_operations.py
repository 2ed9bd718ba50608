"""What operators do: users and tokens, yanks, checks, workers, reloads, sub-paths, backups, exports and mirrors."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests
from index_fixtures import IndexFolder, make_wheel, pip_download, post, sha256
from pypi_simple import PyPISimple
from torture import served_at

from astronomer_certified.effects.processes import free_port
from astronomer_certified.index.auth.credentials import Credentials
from astronomer_certified.index.copies import static_files
from astronomer_certified.index.copies.static_files import Serving
from astronomer_certified.index.http.options import Options, Setup
from astronomer_certified.index.http.server import Server, listen
from astronomer_certified.index.store.store import Store

CERTIFIED = [sys.executable, "-m", "astronomer_certified.commands.main"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An index's folder and the command line for it."""

    root: Path

    def certified(self, *words: str | Path, stdin: str = "", status: int = 0) -> str:
        argv = [*CERTIFIED, "index", *map(str, words), "--index", str(self.root)]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == status, done.stderr
        return done.stdout if status == 0 else done.stderr

    @contextmanager
    def serving(self, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
        argv = [*CERTIFIED, "index", "serve", "--index", str(self.root), "--port", "0", "--fallback", "none", *words]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            yield process, served_at(process)
        finally:
            process.terminate()
            status = process.wait(40)
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        assert status == 0

    def deeds(self) -> list[str]:
        lines = (self.root / "packages" / ".records" / "audit.jsonl").read_text().splitlines()
        return [json.loads(line)["deed"] for line in lines]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "index").mkdir()
    return Place(root=tmp_path / "index")


# --- who may upload


def test_users_and_tokens_are_made_scoped_listed_and_revoked(place: Place, tmp_path: Path) -> None:
    assert "may upload" in place.certified("users", "add", "ann", stdin="a long enough password\n")
    printed = place.certified("users", "add", "bob", "--scheme", "argon2")
    bob = Credentials(user="bob", password=printed.rsplit(" ", 1)[1].strip())
    ann = Credentials(user="ann", password="a long enough password")

    def token(name: str, *words: str) -> Credentials:
        text = place.certified("users", "token", name, "--user", "ci", *words).strip()
        return Credentials(user="__token__", password=text)

    narrow, over = token("narrow", "--project", "tiny*"), token("over", "--days", "-1")
    wheels = iter([make_wheel(tmp_path, version=f"1.{n}") for n in range(10)])
    other = make_wheel(tmp_path, "other")

    with place.serving() as (_, url):

        def upload(login: Credentials, wheel: Path | None = None) -> int:
            wheel = wheel or next(wheels)
            return post(url, login, wheel.name, wheel.read_bytes()).status_code

        assert [upload(login) for login in (ann, bob, narrow)] == [200, 200, 200]
        assert upload(narrow, other) == 403
        assert upload(over) == 403
        assert upload(Credentials(user="ann", password="wrong")) == 403
        assert upload(Credentials(user="nobody", password="wrong")) == 403
        place.certified("users", "revoke", "narrow")
        place.certified("users", "remove", "ann")
        assert [upload(narrow), upload(ann)] == [403, 403]

    assert place.certified("users", "list").splitlines() == ["bob", "certified", "ci  token over: *; " + _end(place)]
    assert place.deeds().count("uploaded") == 3
    assert place.deeds().count("login refused") == 5
    place.certified("users", "remove", "ci")  # who has tokens and no password
    assert "ci" not in place.certified("users", "list")
    assert "there is no user" in place.certified("users", "remove", "ci", status=1)
    assert "there is no token" in place.certified("users", "revoke", "narrow", status=1)
    assert "cannot be the name" in place.certified("users", "add", "a:b", status=1)


def _end(place: Place) -> str:
    return place.certified("users", "list").rsplit("; ", 1)[1].strip()


def test_guessing_is_slowed_down_for_the_guesser_alone(index_folder: IndexFolder) -> None:
    wrong, right = Credentials(user="eve", password="guess"), index_folder.credentials
    with index_folder.server() as index:
        answers = [post(index.url, wrong, "a-1.0.tar.gz", b"") for _ in range(12)]
        other = post(index.url, right, "a-1.0.tar.gz", b"")

    assert [answer.status_code for answer in answers] == [403] * 10 + [429] * 2
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert other.status_code == 400


def test_fifty_uploads_at_once_each_have_a_clear_end(index_folder: IndexFolder, index: Server, tmp_path: Path) -> None:
    same = [make_wheel(tmp_path / str(n), content=f"a = {n}").read_bytes() for n in range(25)]
    others = [make_wheel(tmp_path, version=f"2.{n}") for n in range(25)]
    start = threading.Barrier(50)

    def upload(name: str, content: bytes) -> int:
        start.wait()
        return post(index.url, index_folder.credentials, name, content).status_code

    with ThreadPoolExecutor(50) as pool:
        racing = [pool.submit(upload, "tiny-1.0-py3-none-any.whl", content) for content in same]
        single = [pool.submit(upload, wheel.name, wheel.read_bytes()) for wheel in others]
        assert sorted(done.result() for done in racing) == [200] + [409] * 24
        assert [done.result() for done in single] == [200] * 25

    with PyPISimple(index.simple_url) as client:
        listed = client.get_project_page("tiny").packages
    assert len(listed) == 26
    for package in listed:
        assert sha256(index_folder.store / package.filename) == package.digests["sha256"]


# --- looking after it


def test_a_version_is_yanked_with_a_reason_and_back(place: Place, tmp_path: Path) -> None:
    place.certified("publish", make_wheel(tmp_path, version="1.0"), make_wheel(tmp_path, version="1.1"))
    place.certified("yank", "Tiny", "1.1.0", "--reason", "eats files")

    with place.serving() as (_, url):
        newest = pip_download(f"{url}simple/", "tiny", tmp_path / "newest")
        pinned = pip_download(f"{url}simple/", "tiny==1.1", tmp_path / "pinned")
        assert "tiny-1.0" in newest.stdout
        assert "eats files" in pinned.stderr + pinned.stdout
        place.certified("yank", "tiny", "1.1", "--undo")
        assert "tiny-1.1" in pip_download(f"{url}simple/", "tiny", tmp_path / "again").stdout

    assert place.deeds() == ["uploaded", "uploaded", "yanked", "yank undone"]
    assert "there are: 1.0, 1.1" in place.certified("yank", "tiny", "3", status=1)
    assert "is not published here" in place.certified("yank", "nothing", "3", status=1)


def test_verify_names_a_flipped_byte_and_only_that_file_is_withheld(place: Place, tmp_path: Path) -> None:
    wheels = [make_wheel(tmp_path, version=version) for version in ("1.0", "1.1")]
    place.certified("publish", *wheels)
    assert place.certified("verify") == "2 files read, 0 withheld\n"
    damaged = place.root / "packages" / wheels[0].name
    content = bytearray(damaged.read_bytes())
    content[60] ^= 1
    damaged.write_bytes(content)

    with place.serving() as (_, url):
        said = place.certified("verify", status=1)
        assert wheels[0].name in said
        assert wheels[1].name not in said
        assert requests.get(f"{url}packages/{wheels[0].name}", timeout=10).status_code == 410
        assert requests.get(f"{url}packages/{wheels[1].name}", timeout=10).status_code == 200
        with PyPISimple(f"{url}simple/") as client:
            assert [package.filename for package in client.get_project_page("tiny").packages] == [wheels[1].name]
        place.certified("publish", wheels[0])
        assert requests.get(f"{url}packages/{wheels[0].name}", timeout=10).content == wheels[0].read_bytes()
    assert place.certified("verify") == "2 files read, 0 withheld\n"


def test_a_project_that_takes_no_more_files_says_so(place: Place, tmp_path: Path) -> None:
    place.certified("publish", make_wheel(tmp_path, version="1.0"))
    place.certified("status", "tiny", "archived", "--reason", "use large")

    assert "tiny is archived" in place.certified("publish", make_wheel(tmp_path, version="1.1"), status=1)


def test_a_copy_made_while_uploads_go_on_is_a_store(index_folder: IndexFolder, index: Server, tmp_path: Path) -> None:
    wheels = [make_wheel(tmp_path, version=f"1.{n}", content="#" * 50_000) for n in range(30)]
    acknowledged: list[str] = []

    def upload() -> None:
        for wheel in wheels:
            assert post(index.url, index_folder.credentials, wheel.name, wheel.read_bytes()).ok
            acknowledged.append(wheel.name)

    uploading = threading.Thread(target=upload)
    uploading.start()
    copies = []
    while uploading.is_alive():
        before = list(acknowledged)
        copy = tmp_path / f"copy-{len(copies)}"
        subprocess.run(["cp", "-r", index_folder.store, copy], check=False, capture_output=True)
        copies.append((copy, before))
        time.sleep(0.3)
    uploading.join()

    for copy, before in copies:
        with Server(copy, fallback=False) as restored, PyPISimple(restored.simple_url) as client:
            page = client.get_project_page("tiny") if before else None
            for package in page.packages if page is not None else ():
                assert sha256(copy / package.filename) == package.digests["sha256"]
            assert page is None or {package.filename for package in page.packages} >= set(before)


# --- serving it


def test_workers_share_what_is_published_and_counted_and_are_replaced_without_a_refusal(
    place: Place, tmp_path: Path
) -> None:
    place.certified("users", "add", "ann", stdin="a long enough password\n")
    ann = Credentials(user="ann", password="a long enough password")
    log = tmp_path / "access.jsonl"
    with place.serving("--workers", "2", "--access-log", str(log)) as (process, url):
        for number in range(6):
            wheel = make_wheel(tmp_path, version=f"1.{number}")
            assert post(url, ann, wheel.name, wheel.read_bytes()).ok
            # Whichever worker answers, and whatever it answered before, the file is there at once.
            pages = [requests.get(f"{url}simple/tiny/", timeout=10).text for _ in range(6)]
            assert all(wheel.name in page for page in pages)

        stop, refused = threading.Event(), []

        def ask() -> None:
            while not stop.is_set():
                try:
                    if requests.get(f"{url}simple/tiny/", timeout=10).status_code != 200:
                        refused.append("status")
                except requests.RequestException as err:
                    refused.append(str(err))

        asking = threading.Thread(target=ask)
        asking.start()
        by_hand = make_wheel(place.root / "packages", "later")
        process.send_signal(signal.SIGHUP)
        until = time.monotonic() + 20
        while requests.get(f"{url}simple/later/", timeout=10).status_code != 200 and time.monotonic() < until:
            time.sleep(0.1)
        assert by_hand.name in requests.get(f"{url}simple/later/", timeout=10).text
        time.sleep(0.5)
        stop.set()
        asking.join()
        assert refused == []

        # A worker that dies is replaced.
        listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until = time.monotonic() + 20
        while len(children := listed.read_text().split()) != 2 and time.monotonic() < until:
            time.sleep(0.1)
        assert len(children) == 2
        os.kill(int(children[0]), signal.SIGKILL)
        until = time.monotonic() + 30
        while (now := listed.read_text().split()) == children or len(now) != 2:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert all(requests.get(f"{url}health", timeout=10).ok for _ in range(10))
        # Each worker tells the others once a second what it has counted.
        while (counted := counts(url)).get(PAGES, 0) < 36 and time.monotonic() < until:
            time.sleep(0.2)

    assert counted['certified_index_answers_total{route="upload",status="200"}'] == 6
    assert counted[PAGES] >= 36
    assert counted["certified_index_projects"] == 2
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"time", "peer", "method", "target", "status", "bytes"} <= set(lines[0])
    assert [line["target"] for line in lines if line["method"] == "POST"] == ["/"] * 6


PAGES = 'certified_index_answers_total{route="project",status="200"}'


def counts(url: str) -> dict[str, float]:
    """What an index says of itself at /metrics."""
    lines = [line for line in requests.get(f"{url}metrics", timeout=10).text.splitlines() if line[0] != "#"]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_no_process_shows_a_login_to_upstream_to_the_other_users_of_the_machine(place: Place) -> None:
    Store.open(place.root / "packages")
    setup = Setup(store=place.root / "packages", fallback="http://ann:a-secret@127.0.0.1:9/simple/")
    stated = place.root.parent / "setup.json"
    stated.write_text(setup.to_json())
    with subprocess.Popen([sys.executable, "-c", SUPERVISE, stated], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            first = listed.read_text().split()
            process.send_signal(signal.SIGHUP)
            until = time.monotonic() + 30
            while (second := listed.read_text().split()) == first or len(second) != 1:
                assert time.monotonic() < until
                time.sleep(0.1)
            asked = requests.get(f"{url}simple/nothing/", timeout=10, allow_redirects=False)
            shown = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in (*second, process.pid)]
        finally:
            process.terminate()
            process.wait(40)
    # They know the address all the same.
    assert asked.headers["Location"] == "http://127.0.0.1:9/simple/nothing/"
    assert [b"a-secret" in words for words in shown] == [False, False]
    assert b"http.worker" in shown[0]


SUPERVISE = """
import sys
from pathlib import Path
from astronomer_certified.index.http.options import Setup
from astronomer_certified.index.http.workers import Place, supervise
setup = Setup.from_json(Path(sys.argv[1]).read_text())
supervise(setup, Place(), workers=1, ready=lambda url, findings: print(url, flush=True))
"""


def test_another_server_that_runs_the_index_has_its_log_and_its_counts(place: Place) -> None:
    log, counts_at, port = place.root / "log", place.root / "counts", free_port()
    counts_at.mkdir()
    options = Options(access_log=log, metrics_folder=counts_at)
    setup = Setup(store=place.root / "packages", fallback=False, options=options)
    argv = [sys.executable, "-m", "uvicorn", "--port", str(port), "astronomer_certified.index.http.asgi:application"]
    env = os.environ | {"CERTIFIED_INDEX_SETUP": setup.to_json()}
    with subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 30
            while not log.exists() or not log.read_text():
                assert time.monotonic() < until
                with contextlib.suppress(requests.ConnectionError):
                    requests.get(f"http://127.0.0.1:{port}/health", timeout=10)
                time.sleep(0.1)
            assert requests.get(f"http://127.0.0.1:{port}/simple/", timeout=10).ok
        finally:
            process.terminate()
            process.wait(40)
    assert json.loads(log.read_text().splitlines()[-1])["target"] == "/simple/"
    [counted] = [json.loads(path.read_text()) for path in counts_at.glob("*.json")]
    assert ["list", 200, 1] in counted["answers"]


def test_what_a_worker_counted_last_is_not_lost_with_it(index_folder: IndexFolder, tmp_path: Path) -> None:
    options = Options(metrics_folder=tmp_path)
    with Server(index_folder.store, fallback=False, options=options) as index, requests.Session() as kept:
        for _ in range(2):
            time.sleep(1.2)  # so that one was told of, with its connection, and the other was not
            assert kept.get(index.simple_url, timeout=10).ok
    [counted] = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert (counted["answers"], counted["connections"]) == ([["list", 200, 2]], 0)


def test_workers_end_with_their_supervisor(place: Place) -> None:
    argv = [*CERTIFIED, "index", "serve", "--index", str(place.root), "--port", "0", "--workers", "2"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        url = served_at(process)
        process.kill()
        process.wait()
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            requests.get(f"{url}health", timeout=10)
        except requests.ConnectionError:
            break
        time.sleep(0.2)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}health", timeout=10)


def test_below_a_path_everything_works_with_and_without_it_in_the_request(
    index_folder: IndexFolder, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path)
    port = free_port()
    public = f"http://127.0.0.1:{port}/team/index/"
    options = Options(public_url=public)
    with Server(
        index_folder.store, listening=listen("127.0.0.1", port), credentials=index_folder.htpasswd, fallback=False,
        options=options,
    ) as index:  # fmt: skip
        assert index.simple_url == f"{public}simple/"
        assert post(index.url, index_folder.credentials, wheel.name, wheel.read_bytes()).ok
        assert pip_download(index.simple_url, "tiny", tmp_path / "got").returncode == 0
        assert requests.get(f"{public}simple/Tiny", timeout=10).url == f"{public}simple/tiny/"
        assert requests.get(f"http://127.0.0.1:{port}/simple/tiny/", timeout=10).ok


def test_a_web_server_in_front_is_told_which_file_to_send(index_folder: IndexFolder, tmp_path: Path) -> None:
    wheel = make_wheel(index_folder.store)
    with Server(index_folder.store, fallback=False, options=Options(accel="/files/")) as index:
        answer = requests.get(f"{index.url}packages/{wheel.name}", timeout=10)
    assert (answer.headers["X-Accel-Redirect"], answer.content) == (f"/files/{wheel.name}", b"")


def test_a_full_disk_refuses_the_upload_and_reading_goes_on(index_folder: IndexFolder, tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(2_000_000).hex()
    small, large = make_wheel(tmp_path, version="1.0"), make_wheel(tmp_path, version="1.1", content=noise)
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000));"
        "from astronomer_certified.commands.main import main; sys.exit(main(sys.argv[1:]))"
    )
    index_folder.store.parent.joinpath("packages").mkdir()
    argv = [sys.executable, "-c", code, "index", "serve", "--index", str(index_folder.root), "--port", "0"]
    # What such a limit does to a write, a full disk does too, and a test may set it without being root. Bodies
    # are spooled to TMPDIR first: there it must be as clear.
    (index_folder.root / "upload-password").write_text(index_folder.credentials.password)
    (index_folder.root / "upload-password").chmod(0o600)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            url = served_at(process)
            assert post(url, index_folder.credentials, small.name, small.read_bytes()).ok
            with contextlib.suppress(requests.ConnectionError):  # what is unread at the end of a connection resets it
                assert post(url, index_folder.credentials, large.name, large.read_bytes()).status_code == 507
            assert small.name in requests.get(f"{url}simple/tiny/", timeout=10).text
            assert requests.get(f"{url}packages/{small.name}", timeout=10).content == small.read_bytes()
        finally:
            process.terminate()
    assert list((index_folder.root / "packages" / ".incoming").iterdir()) == []


def test_a_deed_that_the_audit_log_cannot_take_is_not_acknowledged(index_folder: IndexFolder, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    stranger = Credentials(user="stranger", password="a guess")
    log = index_folder.store / ".records" / "audit.jsonl"
    with index_folder.server() as index:
        assert post(index.url, index_folder.credentials, wheel.name, wheel.read_bytes()).ok
        kept = log.rename(tmp_path / "audit.jsonl")
        log.symlink_to("/dev/full")
        later = make_wheel(tmp_path, version="2.0")
        assert post(index.url, index_folder.credentials, later.name, later.read_bytes()).status_code == 507
        assert post(index.url, stranger, wheel.name, wheel.read_bytes()).status_code == 507
        assert requests.get(f"{index.url}packages/{wheel.name}", timeout=10).content == wheel.read_bytes()
        log.unlink()
        kept.rename(log)
        assert post(index.url, index_folder.credentials, later.name, later.read_bytes()).ok
    deeds = [json.loads(line) for line in log.read_text().splitlines()]
    assert [deed["file"] for deed in deeds if deed["deed"] == "uploaded"] == [wheel.name, later.name]


# --- beyond one machine


def test_a_mirror_has_the_same_files_with_their_yanks(place: Place, index_folder: IndexFolder, tmp_path: Path) -> None:
    for version in ("1.0", "1.1"):
        make_wheel(index_folder.store, version=version)
    with index_folder.server() as source:
        first = place.certified("mirror", source.simple_url, "tiny")
        again = place.certified("mirror", source.simple_url, "tiny")
    assert first.count("copied") == 2
    assert again.count("was there already") == 2
    for name in ("tiny-1.0-py3-none-any.whl", "tiny-1.1-py3-none-any.whl"):
        assert sha256(place.root / "packages" / name) == sha256(index_folder.store / name)


@pytest.mark.needs("nginx")
def test_an_export_under_nginx_gives_the_same_answers(place: Place, tmp_path: Path) -> None:
    wheels = [make_wheel(tmp_path, version=version) for version in ("1.0", "1.1")]
    place.certified("publish", *wheels, make_wheel(tmp_path, "some_other"))
    place.certified("yank", "tiny", "1.1", "--reason", "no good")
    port = free_port()
    target = tmp_path / "export"
    words = ["--listen", f"127.0.0.1:{port}", "--upstream", "http://127.0.0.1:9/simple/"]
    place.certified("export", target, *words)
    configuration = tmp_path / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    configuration.write_text(
        f"daemon off; {user} pid {tmp_path}/pid; error_log {tmp_path}/log;\nevents {{}}\n"
        f"http {{ access_log off; include {target}/nginx.conf; }}\n"
    )
    nginx = subprocess.Popen(["nginx", "-c", str(configuration)], stderr=subprocess.DEVNULL)
    try:
        static = f"http://127.0.0.1:{port}/"
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                requests.get(static, timeout=10, allow_redirects=False)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        with place.serving() as (_, live):
            _same_answers(static, live, wheels)
            _same_pages(static, live)
        newest = pip_download(f"{static}simple/", "tiny", tmp_path / "got")
        assert "tiny-1.0" in newest.stdout, newest.stderr
        moved = requests.get(f"{static}simple/unknown/", timeout=10, allow_redirects=False)
        assert moved.headers["Location"] == "http://127.0.0.1:9/simple/unknown/"
        assert requests.get(f"{static}simple/apache-airflow/", timeout=10, allow_redirects=False).status_code == 404
        assert requests.get(f"{static}simple/some_Other/".lower(), timeout=10).url == f"{static}simple/some-other/"
        for place_of_break in ("a{}b__c/", "a__b{}c/", "a__b{}", "a__{}", "{}a__b", "a{}", "a{}/"):
            for line in ("%0d%0aX-Injected:%20yes", "%0aX-Injected:%20yes", "%0a", "%0d"):
                answer = requests.get(
                    f"{static}simple/{place_of_break.format(line)}", timeout=10, allow_redirects=False
                )
                assert "X-Injected" not in answer.headers
                assert not re.search(r"%0|[\r\n]", answer.headers.get("Location", ""))

        for run in ("-" * 6000, "." * 6000 + "a", "_" * 6000, "a" + ".-_" * 2000):
            assert requests.get(f"{static}simple/{run}!/", timeout=3, allow_redirects=False).status_code == 404

        place.certified("publish", make_wheel(tmp_path, version="1.2"))
        assert "3 pages and files written" not in place.certified("export", target, *words)
        assert "tiny-1.2" in requests.get(f"{static}simple/tiny/", timeout=10).text
        (place.root / "packages" / wheels[0].name).write_bytes(b"damaged")
        place.certified("verify", status=1)
        place.certified("export", target, *words)
        assert requests.get(f"{static}packages/{wheels[0].name}", timeout=10).status_code == 410
    finally:
        nginx.terminate()
        nginx.wait(10)


@pytest.mark.needs("nginx")
@pytest.mark.parametrize(
    "name",
    [
        "a blank", "a;b", "a{b}c", "a$host", "$", "${x", 'a"b', "a'b", "a\nb", "a\\b", "a\\nb", "a\\", "#a", "LISTEN",
        "ELSEWHERE", "HEADERS", "ROOT", os.fsdecode(b"a\xff"), "\u00e4", 'x"; } server { listen 1; } #',
    ],
    ids=ascii,
)  # fmt: skip
def test_an_export_is_served_from_a_folder_of_any_name(place: Place, tmp_path: Path, name: str) -> None:
    port, target = free_port(), tmp_path / name
    upstream = "http://127.0.0.1:9/a;b'c$d/"
    Store.open(place.root / "packages")
    static_files.write(Store(place.root / "packages"), target, Serving(listen=f"127.0.0.1:{port}", upstream=upstream))
    # In its own folder: `include` reads patterns.
    user = "user root;" if os.geteuid() == 0 else ""
    (tmp_path / "main.conf").write_bytes(
        f"daemon off; {user} pid {tmp_path}/pid; error_log {tmp_path}/log;\nevents {{}}\n"
        "http { access_log off;\n".encode()
        + (target / "nginx.conf").read_bytes()
        + b"}\n"
    )
    with subprocess.Popen(["nginx", "-c", tmp_path / "main.conf"], stderr=subprocess.PIPE, text=True) as nginx:
        try:
            static, until = f"http://127.0.0.1:{port}/", time.monotonic() + 20
            answer = None
            while answer is None and nginx.poll() is None and time.monotonic() < until:
                with contextlib.suppress(requests.ConnectionError):
                    answer = requests.get(f"{static}health", timeout=10)
                time.sleep(0.05)
            assert answer is not None
            assert (answer.status_code, answer.text) == (200, "Ok")
            moved = requests.get(f"{static}simple/unknown/", timeout=10, allow_redirects=False)
            assert moved.headers["Location"] == f"{upstream}unknown/"
        finally:
            nginx.terminate()


def _same_pages(static: str, live: str) -> None:
    """Those for people: of a copy they have no search, but the same policy, and links that lead somewhere."""
    for path in ("", "project/tiny/", "project/tiny/1.0/", "project/tiny", "project/tiny/1.0"):
        ours, theirs = (requests.get(f"{root}{path}", timeout=10) for root in (live, static))
        assert (ours.status_code, theirs.status_code) == (200, 200)
        assert ours.url.removeprefix(live) == theirs.url.removeprefix(static)
        for name in ("Content-Security-Policy", "Cache-Control", "X-Content-Type-Options", "Content-Type"):
            assert ours.headers[name].lower() == theirs.headers[name].lower()
        for link in set(re.findall(r'href="([^"#]+)"', theirs.text)):
            reached = requests.get(urljoin(theirs.url, link), timeout=10)
            assert reached.status_code == 200, (theirs.url, link)
            assert not link.endswith(".css") or reached.headers["Content-Type"].startswith("text/css")
    for line in ("%0d%0aX-Injected:%20yes", "%0a", "..%2f"):
        answer = requests.get(f"{static}project/tiny/{line}", timeout=10, allow_redirects=False)
        assert "X-Injected" not in answer.headers
        assert answer.status_code in (400, 404)


def _same_answers(static: str, live: str, wheels: list[Path]) -> None:
    forms = ("application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.v1+html", "text/html", "*/*")
    asked = [(path, {"Accept": form}) for path in ("simple/", "simple/tiny/", "simple/some-other/") for form in forms]
    for wheel in wheels:
        asked += [(f"packages/{wheel.name}", {}), (f"packages/{wheel.name}.metadata", {})]
        asked += [(f"packages/{wheel.name}", {"Range": "bytes=5-99"})]
    asked += [("packages/nothing-1.0.tar.gz", {}), ("health", {}), ("pypi/unknown/json", {})]
    asked += [(path, {}) for path in ("packages/", "packages", "pypi/tiny/json", "pypi/tiny/1.0/json")]
    for path, headers in asked:
        ours, theirs = (requests.get(f"{root}{path}", headers=headers, timeout=10) for root in (live, static))
        assert ours.status_code == theirs.status_code, path
        if ours.ok:
            # Who runs knows its address; a copy, of which nobody said where it will be, has relative ones.
            assert ours.content.replace(live.encode(), b"../" * path.count("/")) == theirs.content, path
            assert ours.headers["Content-Type"].split(";")[0] == theirs.headers["Content-Type"].split(";")[0], path
            assert ours.headers.get("Cache-Control") == theirs.headers.get("Cache-Control") or path == "health"


# --- stores that others look after


def test_a_store_that_is_read_only_is_served_and_takes_nothing(place: Place, tmp_path: Path) -> None:
    if subprocess.run(["unshare", "-r", "-m", "true"], check=False, capture_output=True).returncode:
        pytest.skip(
            "nobody may mount a folder read-only here: it needs user namespaces (sysctl, or a container's own rights)"
        )
    wheel, other = make_wheel(tmp_path, "tiny"), make_wheel(tmp_path, "other")
    place.certified("publish", wheel)
    (place.root / "packages" / other.name).write_bytes(other.read_bytes())
    password = place.certified("users", "add", "ann").rsplit(" ", 1)[1].strip()
    mounted = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    argv = [*CERTIFIED, "index", "serve", "--index", place.root, "--port", "0", "--fallback", "none", "--workers", "2"]
    words = ["unshare", "-r", "-m", "sh", "-c", mounted, place.root, *argv]
    process = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        url = served_at(process)
        got = pip_download(f"{url}simple/", "tiny", tmp_path / "got")
        page = requests.get(f"{url}project/tiny/", timeout=10)
        unlisted = requests.get(f"{url}packages/{other.name}", timeout=10)
        refused = post(url, Credentials(user="ann", password=password), other.name, other.read_bytes())
    finally:
        process.terminate()
        said, complaints = process.communicate(timeout=40)
    assert process.returncode == 0
    assert got.returncode == 0, got.stderr
    assert (page.status_code, unlisted.status_code, refused.status_code) == (200, 404, 403)
    assert refused.reason == "This index is read-only: it takes no uploads."
    assert f"{other.name}: is not listed: it has no record, and the store is read-only" in complaints
    assert "Traceback" not in said + complaints


def test_a_link_is_no_file_of_the_store_however_it_came_there(place: Place, tmp_path: Path) -> None:
    planted, replaced, kept = (make_wheel(tmp_path, name) for name in ("planted", "replaced", "kept"))
    place.certified("publish", replaced, kept)
    packages = place.root / "packages"
    (packages / planted.name).symlink_to(planted)
    os.mkfifo(packages / "fifo-1.0-py3-none-any.whl")
    (packages / "folder-1.0-py3-none-any.whl").mkdir()
    (packages / replaced.name).unlink()
    (packages / replaced.name).symlink_to(replaced)

    with place.serving() as (_, url):
        for headers in (dict[str, str](), {"Expect": "100-continue"}, {"Range": "bytes=0-1"}):
            for wheel, status in ((planted, 404), (replaced, 410), (kept, 200)):
                answer = requests.get(f"{url}packages/{wheel.name}", headers=headers, timeout=10)
                right = 206 if status == 200 and "Range" in headers else status
                assert (wheel.name, answer.status_code) == (wheel.name, right)
        assert requests.get(f"{url}simple/planted/", timeout=10).status_code == 404

    said = place.certified("verify", status=1)
    assert f"{replaced.name}" in said
    place.certified("export", tmp_path / "public")
    assert {path.name for path in (tmp_path / "public/current/packages").glob("*.whl")} == {kept.name}


@pytest.mark.parametrize("damage", ["garbage", "folder", "other"])
def test_a_record_that_cannot_be_read_stops_its_own_project_alone(place: Place, tmp_path: Path, damage: str) -> None:
    place.certified("publish", make_wheel(tmp_path, "tiny"), make_wheel(tmp_path, "other"))
    with place.serving() as (_, url):
        record = place.root / "packages" / ".records" / "projects" / "tiny.json"
        content = record.read_bytes()
        record.unlink()
        if damage == "folder":
            record.mkdir()
        else:
            record.write_bytes({"garbage": b"\x00\xff", "other": b'{"format": 99}'}[damage])
        for path in ("simple/tiny/", "project/tiny/", "packages/tiny-1.0-py3-none-any.whl"):
            answer = requests.get(f"{url}{path}", timeout=10)
            assert (path, answer.status_code) == (path, 500)
            assert "log" in answer.text
        for path in ("simple/", "simple/other/", "project/other/", "", "metrics", "health", "search?q=tiny"):
            assert (path, requests.get(f"{url}{path}", timeout=10).status_code) == (path, 200)
        if damage == "folder":
            record.rmdir()
        record.write_bytes(content)
        assert requests.get(f"{url}simple/tiny/", timeout=10).status_code == 200
