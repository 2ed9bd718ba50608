"""A real index on a free port, real twine, real pip."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from index_fixtures import IndexFolder, make_wheel, multipart, pip_download, post, run, sha256
from raw_archives import SDIST, Piece, raw_sdist

from astronomer_certified.errors import PublishError
from astronomer_certified.index.auth.credentials import Credentials, ensure_credentials
from astronomer_certified.index.http.server import Server, listen
from astronomer_certified.index.publish import PublishedFile, publish

# --- publishing ---


def test_published_wheels_are_listed_with_their_hash_and_pip_downloads_them(
    index_folder: IndexFolder, index: Server, tmp_path: Path
) -> None:
    needed = make_wheel(tmp_path / "dist", "apache_airflow", "2.1.0+astro.4")
    certified = make_wheel(
        tmp_path / "dist", "astronomer_certified", "2.1.0.post4", requires=["apache-airflow==2.1.0+astro.4"]
    )

    published = publish([certified, needed], index.url, index_folder.credentials, run=run)

    assert published == (
        PublishedFile(filename=certified.name, sha256=sha256(certified), size=certified.stat().st_size, uploaded=True),
        PublishedFile(filename=needed.name, sha256=sha256(needed), size=needed.stat().st_size, uploaded=True),
    )
    page = requests.get(f"{index.simple_url}astronomer-certified/", timeout=10).text
    assert f"{certified.name}#sha256={sha256(certified)}" in page
    pip = pip_download(index.simple_url, "astronomer-certified==2.1.0.*", tmp_path / "got")
    assert pip.returncode == 0, pip.stderr
    assert sorted(map(sha256, (tmp_path / "got").glob("*.whl"))) == sorted(map(sha256, (needed, certified)))
    assert index_folder.left_over() == []


def test_publishing_again_uploads_only_what_is_new(index_folder: IndexFolder, index: Server, tmp_path: Path) -> None:
    old = make_wheel(tmp_path, version="1.0")
    publish([old], index.simple_url, index_folder.credentials, run=run)
    new = make_wheel(tmp_path, version="1.1")

    published = publish([old, new], index.url, index_folder.credentials, run=run)

    assert [file.uploaded for file in published] == [False, True]
    assert [f.uploaded for f in publish([old, new], index.url, index_folder.credentials, run=run)] == [False, False]


def test_publishing_other_bytes_under_a_published_name_names_the_file_and_both_hashes(
    index_folder: IndexFolder, index: Server, tmp_path: Path
) -> None:
    first = make_wheel(tmp_path / "a", content="a = 1")
    publish([first], index.url, index_folder.credentials, run=run)
    other = make_wheel(tmp_path / "b", content="a = 2")

    with pytest.raises(PublishError) as caught:
        publish([other], index.url, index_folder.credentials, run=run)

    message = str(caught.value)
    assert first.name in message
    assert sha256(first) in message
    assert sha256(other) in message
    assert "raise the revision" in message
    assert sha256(index_folder.store / first.name) == sha256(first)


def test_a_race_lost_between_look_and_upload_is_told_as_the_other_bytes_it_is(
    index_folder: IndexFolder, index: Server, tmp_path: Path
) -> None:
    winner = make_wheel(tmp_path / "a", content="a = 1")
    loser = make_wheel(tmp_path / "b", content="a = 2")

    def run_late(argv: Sequence[str], *, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        if "upload" in argv:
            assert post(index.url, index_folder.credentials, winner.name, winner.read_bytes()).ok
        return run(argv, env=env)

    with pytest.raises(PublishError, match="other bytes") as caught:
        publish([loser], index.url, index_folder.credentials, run=run_late)

    assert sha256(winner) in str(caught.value)


def test_twine_shows_why_the_index_refused_a_file(index_folder: IndexFolder, index: Server, tmp_path: Path) -> None:
    twin = make_wheel(tmp_path, "tiny", "1.0")
    publish([twin], index.url, index_folder.credentials, run=run)
    respelled = make_wheel(tmp_path, "Tiny", "1.0")

    with pytest.raises(PublishError, match=r"is published already as tiny-1\.0-py3-none-any\.whl"):
        publish([respelled], index.url, index_folder.credentials, run=run)


def test_a_wrong_password_is_one_clear_error_that_does_not_tell_the_password(
    index_folder: IndexFolder, index: Server, tmp_path: Path
) -> None:
    wrong = Credentials(user="certified", password="not-the-password")

    with pytest.raises(PublishError, match="does not let certified upload") as caught:
        publish([make_wheel(tmp_path)], index.url, wrong, run=run)

    assert "not-the-password" not in str(caught.value)
    assert "not-the-password" not in repr(wrong)
    assert index_folder.published() == set()


def test_the_password_is_never_in_the_arguments_of_a_program(
    index_folder: IndexFolder, index: Server, tmp_path: Path
) -> None:
    seen: list[str] = []

    def listen(argv: Sequence[str], *, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        seen.extend(argv)
        return run(argv, env=env)

    publish([make_wheel(tmp_path)], index.url, index_folder.credentials, run=listen)

    assert "upload" in seen
    assert not [argument for argument in seen if index_folder.credentials.password in argument]


def test_an_unreachable_index_is_one_clear_error(index_folder: IndexFolder, tmp_path: Path) -> None:
    with index_folder.server() as gone:
        url = gone.url

    with pytest.raises(PublishError, match="cannot be reached"):
        publish([make_wheel(tmp_path)], url, index_folder.credentials, run=run)


def test_a_file_that_twine_check_rejects_stops_everything_before_the_upload(
    index_folder: IndexFolder, index: Server, tmp_path: Path
) -> None:
    good = make_wheel(tmp_path, "good")
    poor = make_wheel(tmp_path, "poor", text="")

    with pytest.raises(PublishError, match="long_description"):
        publish([good, poor], index.url, index_folder.credentials, run=run)
    assert index_folder.published() == set()

    publish([good, poor], index.url, index_folder.credentials, run=run, foreign=True)
    assert index_folder.published() == {good.name, poor.name}


def test_an_sdist_of_other_people_is_published_and_what_is_no_wheel_is_one_clear_error(
    index_folder: IndexFolder, index: Server, tmp_path: Path
) -> None:
    sdist = tmp_path / SDIST
    sdist.write_bytes(raw_sdist(Piece(name="tiny-1.0/tiny.py")))
    [published] = publish([sdist], index.url, index_folder.credentials, run=run, foreign=True)
    assert (published.filename, published.uploaded) == (SDIST, True)

    empty = tmp_path / "empty-1.0-py3-none-any.whl"
    zipfile.ZipFile(empty, "w").close()
    for content in (b"no zip", empty.read_bytes()):
        broken = tmp_path / "tiny-1.1-py3-none-any.whl"
        broken.write_bytes(content)
        with pytest.raises(PublishError, match=r"did not take tiny-1\.1"):
            publish([broken], index.url, index_folder.credentials, run=run, foreign=True)


def test_a_wheel_with_thousands_of_pins_is_published(index_folder: IndexFolder, index: Server, tmp_path: Path) -> None:
    pins = [f"dependency-{n}==1.{n}; python_version == '3.8' and extra == 'celery'" for n in range(6000)]
    wheel = make_wheel(tmp_path, requires=pins, content="#" * 300_000)

    assert publish([wheel], index.url, index_folder.credentials, run=run)[0].uploaded


def test_files_that_cannot_be_published_are_refused_before_anything_is_asked(
    index_folder: IndexFolder, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path / "a")
    for files in ([tmp_path / "gone-1.0-py3-none-any.whl"], [wheel, make_wheel(tmp_path / "b")]):
        with pytest.raises(PublishError):
            publish(files, "http://127.0.0.1:9/", index_folder.credentials, run=run)


# --- what the index takes ---


def test_the_same_bytes_are_taken_again_and_other_bytes_are_a_conflict(
    index_folder: IndexFolder, index: Server, tmp_path: Path
) -> None:
    first = make_wheel(tmp_path / "a", content="a = 1")
    other = make_wheel(tmp_path / "b", content="a = 2")

    assert post(index.url, index_folder.credentials, first.name, first.read_bytes()).status_code == 200
    assert post(index.url, index_folder.credentials, first.name, first.read_bytes()).status_code == 200
    refused = post(index.url, index_folder.credentials, first.name, other.read_bytes())

    assert refused.status_code == 409
    assert sha256(first) in refused.reason
    assert sha256(other) in refused.reason
    assert sha256(index_folder.store / first.name) == sha256(first)


def test_an_upload_that_is_not_what_it_says_is_refused_and_leaves_nothing(
    index_folder: IndexFolder, index: Server, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path)
    foreign = make_wheel(tmp_path, "foreign", filename="other-1.0-py3-none-any.whl")
    refused = [
        post(index.url, index_folder.credentials, wheel.name, b"not a zip"),
        post(index.url, index_folder.credentials, wheel.name, b""),
        post(index.url, index_folder.credentials, foreign.name, foreign.read_bytes()),
        post(index.url, index_folder.credentials, wheel.name, wheel.read_bytes(), sha256_digest="0" * 64),
        post(index.url, index_folder.credentials, wheel.name, wheel.read_bytes(), md5_digest="0" * 32),
        post(index.url, index_folder.credentials, wheel.name, wheel.read_bytes(), blake2_256_digest="0" * 64),
        post(index.url, index_folder.credentials, wheel.name, wheel.read_bytes(), name="another"),
        post(index.url, index_folder.credentials, wheel.name, wheel.read_bytes(), version="\0"),
    ]

    assert [response.status_code for response in refused] == [400] * 8
    assert "'foreign-1.0.dist-info' is the folder of another distribution" in refused[2].reason
    assert "announced md5 '0000" in refused[4].reason
    assert "announced blake2_256 '0000" in refused[5].reason
    assert index_folder.published() == set()
    assert index_folder.left_over() == []


def test_a_published_file_cannot_be_removed(index_folder: IndexFolder, index: Server, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    publish([wheel], index.url, index_folder.credentials, run=run)

    removal = requests.post(
        index.url,
        data={":action": "remove_pkg", "name": "tiny", "version": "1.0"},
        auth=(index_folder.credentials.user, index_folder.credentials.password),
        timeout=10,
    )

    assert removal.status_code == 403
    assert index_folder.published() == {wheel.name}


def test_uploading_needs_a_login_and_reading_needs_none(
    index_folder: IndexFolder, index: Server, tmp_path: Path
) -> None:
    content = make_wheel(tmp_path).read_bytes()
    files = {"content": ("tiny-1.0-py3-none-any.whl", content)}

    anonymous = requests.post(index.url, data={":action": "file_upload"}, files=files, timeout=10)

    assert anonymous.status_code == 401
    assert requests.get(index.simple_url, timeout=10).status_code == 200


def test_an_index_without_credentials_takes_no_uploads(index_folder: IndexFolder, tmp_path: Path) -> None:
    with Server(index_folder.store, fallback=False) as closed:
        refused = post(closed.url, index_folder.credentials, "tiny-1.0-py3-none-any.whl", b"")

    assert refused.status_code == 403


def test_eight_racing_uploads_of_one_new_name_have_one_winner(
    index_folder: IndexFolder, index: Server, tmp_path: Path
) -> None:
    candidates = [make_wheel(tmp_path / str(n), content=f"a = {n}\n" * 5000).read_bytes() for n in range(8)]
    start = threading.Barrier(len(candidates))
    answers: dict[int, int] = {}

    def upload(n: int) -> None:
        start.wait()
        response = post(index.url, index_folder.credentials, "tiny-1.0-py3-none-any.whl", candidates[n])
        answers[n] = response.status_code

    threads = [threading.Thread(target=upload, args=(n,)) for n in range(len(candidates))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    winners = [n for n, status in answers.items() if status == 200]
    assert sorted(answers.values()) == [200] + [409] * 7
    assert (index_folder.store / "tiny-1.0-py3-none-any.whl").read_bytes() == candidates[winners[0]]
    assert index_folder.left_over() == []


def test_a_file_copied_into_the_store_by_hand_is_checked_and_listed_at_the_next_start(
    index_folder: IndexFolder, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path)
    index_folder.store.mkdir()
    (index_folder.store / wheel.name).write_bytes(wheel.read_bytes())
    (index_folder.store / "torn-1.0-py3-none-any.whl").write_bytes(wheel.read_bytes()[:-10])

    with index_folder.server() as index:
        assert sha256(wheel) in requests.get(f"{index.simple_url}tiny/", timeout=10).text
        assert requests.get(f"{index.simple_url}torn/", timeout=10).status_code == 404

    assert [(finding.filename, finding.served) for finding in index.findings] == [
        (wheel.name, True),
        ("torn-1.0-py3-none-any.whl", False),
    ]


# --- the fallback ---


def test_an_unknown_name_is_redirected_to_the_fallback_and_a_protected_one_never(
    index_folder: IndexFolder, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    squatted = make_wheel(elsewhere, "apache_airflow", "9.9")
    common = make_wheel(elsewhere, "common", "1.0")

    with Server(elsewhere) as upstream, index_folder.server(fallback=upstream.simple_url) as index:
        for name in ("common", "apache-airflow"):
            assert requests.get(f"{upstream.simple_url}{name}/", timeout=10).status_code == 200
        found = pip_download(index.simple_url, "common", tmp_path / "got")
        answer = requests.get(f"{index.simple_url}Apache_Airflow/", timeout=10)
        protected = pip_download(index.simple_url, "apache-airflow", tmp_path / "got")

    assert found.returncode == 0, found.stderr
    assert answer.status_code == 404
    assert protected.returncode != 0
    assert [path.name for path in (tmp_path / "got").glob("*.whl")] == [common.name]
    assert squatted.exists()


def test_without_a_fallback_an_unknown_name_is_not_found(index: Server) -> None:
    assert requests.get(f"{index.simple_url}unknown/", timeout=10).status_code == 404


# --- starting, stopping, dying ---


def test_an_index_killed_in_the_middle_of_an_upload_lists_nothing_and_takes_the_file_later(
    index_folder: IndexFolder, tmp_path: Path, spawn: Callable[[IndexFolder], tuple[subprocess.Popen[str], str]]
) -> None:
    wheel = make_wheel(tmp_path, content="a = 1\n" * 100_000)
    process, url = spawn(index_folder)
    headers, body = multipart(wheel.name, wheel.read_bytes())
    auth = requests.Request(
        "GET", url, auth=(index_folder.credentials.user, index_folder.credentials.password)
    ).prepare()
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    lines = [f"{key}: {value}" for key, value in (headers | dict(auth.headers)).items()]
    head = "\r\n".join(["POST / HTTP/1.1", f"Host: {host}:{port}", *lines, "", ""])
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head.encode() + body[: len(body) // 2])
        requests.get(url, timeout=10)  # answered after the half above has arrived
        process.kill()
        process.wait()

    _, url = spawn(index_folder)

    assert index_folder.published() == set()
    assert index_folder.left_over() == []
    assert requests.get(f"{url}simple/tiny/", timeout=10).status_code == 404
    assert publish([wheel], url, index_folder.credentials, run=run)[0].uploaded


def test_a_start_removes_what_a_killed_writer_left(index_folder: IndexFolder) -> None:
    (index_folder.store / ".incoming").mkdir(parents=True)
    (index_folder.store / ".incoming" / "torn.part").write_bytes(b"half")

    with index_folder.server() as index:
        assert index_folder.left_over() == []
        assert requests.get(f"{index.url}packages/.incoming/torn.part", timeout=10).status_code == 404


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_index_cleanly(
    index_folder: IndexFolder,
    ending: signal.Signals,
    spawn: Callable[[IndexFolder], tuple[subprocess.Popen[str], str]],
) -> None:
    process, url = spawn(index_folder)
    assert requests.get(f"{url}health", timeout=10).text == "Ok"

    process.send_signal(ending)

    assert process.wait(timeout=10) == 0
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=10)


def test_an_index_stops_with_its_block_even_while_a_client_keeps_its_connection(index_folder: IndexFolder) -> None:
    with requests.Session() as session, index_folder.server() as index:
        assert session.get(index.simple_url, timeout=10).ok
    assert not index.running


def test_a_taken_port_is_one_clear_error(index_folder: IndexFolder, index: Server) -> None:
    port = int(index.url.rstrip("/").rsplit(":", 1)[1])

    with pytest.raises(PublishError, match=f"cannot listen on 127.0.0.1 port {port}"):
        listen("127.0.0.1", port)


def test_a_store_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file, not a folder")

    with pytest.raises(PublishError, match="cannot be the store of an index"), Server(tmp_path / "store"):
        pass


def test_a_missing_htpasswd_file_is_one_clear_error(tmp_path: Path) -> None:
    with (
        pytest.raises(PublishError, match="nobody could upload"),
        Server(tmp_path / "store", credentials=tmp_path / "htpasswd"),
    ):
        pass


def test_a_new_password_counts_at_once(index_folder: IndexFolder, index: Server, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    assert post(index.url, index_folder.credentials, wheel.name, wheel.read_bytes()).status_code == 200

    index_folder.htpasswd.unlink()
    assert post(index.url, index_folder.credentials, wheel.name, wheel.read_bytes()).status_code == 403

    renewed = ensure_credentials(index_folder.htpasswd, tmp_path / "renewed")
    assert post(index.url, index_folder.credentials, wheel.name, wheel.read_bytes()).status_code == 403
    assert post(index.url, renewed, wheel.name, wheel.read_bytes()).status_code == 200


def test_two_servers_may_start_at_the_same_time_in_one_process(tmp_path: Path) -> None:
    def answers(name: str) -> bool:
        with Server(tmp_path / name) as server:
            return requests.get(server.simple_url, timeout=10).ok

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(answers, (f"store-{number}" for number in range(16))))
