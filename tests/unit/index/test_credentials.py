"""A login to the index: made once, agreed on, checked."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from passlib.context import CryptContext  # type: ignore[import-untyped]

from astronomer_certified.commands import main
from astronomer_certified.errors import PublishError
from astronomer_certified.index.auth import tokens
from astronomer_certified.index.auth.credentials import Credentials, Htpasswd, ensure_credentials, set_password
from astronomer_certified.index.auth.logins import Logins, Refusal


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Credentials]:
    folder = tmp_path_factory.mktemp("login") / "made" / "on" / "demand"
    return folder / "htpasswd", folder / "secret", ensure_credentials(folder / "htpasswd", folder / "secret")


def test_first_use_makes_a_random_password_that_only_its_owner_can_read(
    made: tuple[Path, Path, Credentials],
) -> None:
    htpasswd, secret, credentials = made

    assert credentials.user == "certified"
    assert len(credentials.password) >= 40
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert secret.read_text() == f"{credentials.password}\n"
    assert htpasswd.read_text().startswith("certified:$2b$")
    assert credentials.password not in htpasswd.read_text()
    assert {path.name for path in htpasswd.parent.iterdir()} == {"htpasswd", "secret", ".htpasswd.lock"}


def test_the_next_use_gives_the_same_login_and_changes_no_file(made: tuple[Path, Path, Credentials]) -> None:
    htpasswd, secret, credentials = made
    before = htpasswd.stat(), secret.stat()

    assert ensure_credentials(htpasswd, secret) == credentials
    assert (htpasswd.stat().st_mtime_ns, secret.stat().st_mtime_ns) == tuple(s.st_mtime_ns for s in before)


def test_those_who_come_at_once_agree_on_one_login(tmp_path: Path) -> None:
    together = threading.Barrier(4)

    def ensure(_: int) -> Credentials:
        together.wait()
        return ensure_credentials(tmp_path / "htpasswd", tmp_path / "secret")

    with ThreadPoolExecutor(4) as pool:
        assert len({credentials.password for credentials in pool.map(ensure, range(4))}) == 1


def test_a_run_that_died_between_the_two_files_is_finished_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("chosen-by-the-first-run\n")

    credentials = ensure_credentials(tmp_path / "htpasswd", tmp_path / "secret")

    assert credentials.password == "chosen-by-the-first-run"
    assert Htpasswd(tmp_path / "htpasswd")("certified", "chosen-by-the-first-run")


def test_users_without_our_password_are_left_alone_and_said_so(
    tmp_path: Path, made: tuple[Path, Path, Credentials]
) -> None:
    (tmp_path / "htpasswd").write_bytes(made[0].read_bytes())

    with pytest.raises(PublishError, match="has certified, but"):
        ensure_credentials(tmp_path / "htpasswd", tmp_path / "secret")
    assert not (tmp_path / "secret").exists()


@pytest.mark.parametrize(("user", "password"), [("certified", "another"), ("somebody", None)])
def test_files_that_contradict_each_other_are_said_so(
    tmp_path: Path, made: tuple[Path, Path, Credentials], user: str, password: str | None
) -> None:
    htpasswd, _, credentials = made
    (tmp_path / "secret").write_text(password or credentials.password)

    with pytest.raises(PublishError, match=f"does not let {user} in"):
        ensure_credentials(htpasswd, tmp_path / "secret", user)


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(PublishError, match="cannot be kept"):
        ensure_credentials(tmp_path / "file" / "htpasswd", tmp_path / "file" / "secret")


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("certified", "wrong"),
        ("certified", ""),
        ("certified", "long" * 100),
        ("certified", "nul\0"),
        ("certified", "\udcff"),
        ("nobody", "wrong"),
        ("with:colon", "wrong"),
        ("long" * 100, "wrong"),
        ("", ""),
    ],
)
def test_a_wrong_login_is_refused(made: tuple[Path, Path, Credentials], user: str, password: str) -> None:
    assert Htpasswd(made[0])(user, password) is False


def test_a_right_login_is_hashed_once_and_counts_until_the_file_changes(
    tmp_path: Path, made: tuple[Path, Path, Credentials]
) -> None:
    htpasswd = tmp_path / "htpasswd"
    htpasswd.write_bytes(made[0].read_bytes())
    check, credentials = Htpasswd(htpasswd), made[2]
    before = os.times().user

    assert all(check(credentials.user, credentials.password) for _ in range(200))
    assert os.times().user - before < 5  # 200 bcrypts take 40 s

    htpasswd.write_text("")
    assert not check(credentials.user, credentials.password)
    htpasswd.unlink()
    assert not check(credentials.user, credentials.password)
    htpasswd.write_bytes(made[0].read_bytes())
    assert check(credentials.user, credentials.password)


def test_a_file_of_users_that_is_none_is_one_clear_error_until_it_is_one(
    tmp_path: Path, made: tuple[Path, Path, Credentials]
) -> None:
    htpasswd, credentials = tmp_path / "htpasswd", made[2]
    htpasswd.write_text("no colon in it\n")
    check = Htpasswd(htpasswd)
    for _ in range(2):
        with pytest.raises(PublishError, match="is no file of users"):
            check(credentials.user, credentials.password)

    htpasswd.write_bytes(made[0].read_bytes())
    assert check(credentials.user, credentials.password)


def test_a_long_password_counts_where_its_scheme_takes_it(tmp_path: Path) -> None:
    htpasswd, password = tmp_path / "htpasswd", "long" * 20
    set_password(htpasswd, "ann", password, "argon2")
    set_password(htpasswd, "bob", password[:72], "bcrypt")
    check = Htpasswd(htpasswd)

    assert check("ann", password)
    assert not check("ann", password[:72])
    assert check("bob", password[:72])
    assert not check("bob", password)  # what bcrypt would not look at
    assert [kind.split("$")[1][:2] for kind in check._kinds] == ["ar", "2b"]
    for scheme, bad in (("bcrypt", password), ("argon2", "a\0b"), ("argon2", "x" * 1001)):
        with pytest.raises(PublishError):
            set_password(htpasswd, "eve", bad, scheme)


def test_our_own_user_is_made_beside_people_who_were_there_before(tmp_path: Path) -> None:
    htpasswd = tmp_path / "htpasswd"
    set_password(htpasswd, "ann", "ann's own", "argon2")

    credentials = ensure_credentials(htpasswd, tmp_path / "secret")

    check = Htpasswd(htpasswd)
    assert check("ann", "ann's own")
    assert check(credentials.user, credentials.password)


def test_a_token_lets_in_where_others_guess_and_says_when_it_is_over(tmp_path: Path) -> None:
    htpasswd = tmp_path / "htpasswd"
    htpasswd.write_text("")

    def token(name: str, expires: float | None) -> str:
        return tokens.issue(tmp_path / "tokens.json", name=name, user="ci", projects=["*"], expires=expires)

    right, over = token("right", None), token("over", 0.0)
    logins = Logins(htpasswd)
    for _ in range(10):
        assert logins.check("__token__", "ac-wrong", "192.0.2.1") is None
    with pytest.raises(Refusal, match="too many"):
        logins.check("__token__", "ac-wrong", "192.0.2.1")

    assert logins.check("__token__", right, "192.0.2.1") is not None
    with pytest.raises(Refusal, match=r"the token over has expired: 1970-01-01"):
        logins.check("__token__", over, "192.0.2.1")
    (tmp_path / "tokens.json").write_text("{")
    with pytest.raises(PublishError, match="is no file of tokens"):
        logins.check("__token__", right, "192.0.2.1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("users", "token", "t", "--user", "u", "--days", "nan"), "not a number of days"),
        (("users", "token", "t", "--user", "u", "--days", "inf"), "not a number of days"),
        (("users", "token", "t", "--user", "u", "--days", "1e9"), "not a number of days"),
        (("users", "token", "t", "--user", "u", "--project", "a/*"), "is no name of a project"),
        (("yank", "a", "1", "--reason", "\udcff"), "not UTF-8"),
        (("serve", "--public-url", "packages.example/team"), "no address of an index"),
        (("serve", "--upstream", "nonsense"), "no address of an index"),
        (("export", "public", "--url", "ftp://x/"), "no address of an index"),
    ],
)
def test_words_that_mean_nothing_are_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert _main(["index", *words, "--index", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("given", "status"), [(b"a\0b\n", 1), (b"\xff\n", 2)])
def test_a_password_that_cannot_be_one_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: bytes, status: int
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"))
    assert _main(["index", "users", "add", "ann", "--index", str(tmp_path)]) == status
    assert "password" in capsys.readouterr().err


def _main(words: list[str]) -> int:
    try:
        return main.main(words)
    except SystemExit as end:  # argparse's own
        return int(end.code or 0)


def test_a_login_shows_no_password() -> None:
    assert "hush" not in repr(Credentials(user="certified", password="hush"))


def test_a_file_of_tokens_can_at_no_moment_be_read_by_everybody(tmp_path: Path) -> None:
    path, seen, over = tmp_path / "tokens.json", set[int](), threading.Event()

    def look() -> None:
        while not over.is_set():
            with contextlib.suppress(FileNotFoundError):
                seen.add(stat.S_IMODE(path.stat().st_mode))

    looking = threading.Thread(target=look)
    looking.start()
    for number in range(20):
        tokens.issue(path, name=f"token-{number}", user="ci", projects=["*"], expires=None)
    over.set()
    looking.join()
    assert seen == {0o640}


def test_a_token_that_is_revoked_within_one_tick_of_the_clock_is_out(tmp_path: Path) -> None:
    (tmp_path / "htpasswd").write_text("")
    path, logins = tmp_path / "tokens.json", Logins(tmp_path / "htpasswd")
    first = tokens.issue(path, name="first", user="ci", projects=["*"], expires=None)
    tick = path.stat().st_mtime_ns
    assert logins.known("__token__", first, "192.0.2.1") is not None
    tokens.revoke(path, "first")
    os.utime(path, ns=(tick, tick))

    assert logins.known("__token__", first, "192.0.2.1") is None
    path.unlink()
    assert logins.known("__token__", first, "192.0.2.1") is None


def test_who_is_no_user_waits_as_long_as_one_whatever_passwords_cost_here(tmp_path: Path) -> None:
    htpasswd = tmp_path / "htpasswd"
    cheap = CryptContext(["bcrypt"], bcrypt__rounds=5).hash("right")
    htpasswd.write_text(f"ann:{cheap}\n")
    check = Htpasswd(htpasswd)

    def seconds(user: str) -> float:
        begun = time.perf_counter()
        assert not check(user, "wrong")
        return time.perf_counter() - begun

    seconds("ann")
    # A comparison at the cost that we give takes 100 times as long.
    assert min(seconds("nobody") for _ in range(5)) < 10 * max(seconds("ann") for _ in range(5))
    set_password(htpasswd, "bob", "right", "bcrypt")
    assert not check("nobody", "wrong")
    assert len(check._kinds) == 2
