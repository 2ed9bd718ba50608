"""An index that is sent what nobody should send: request lines, headers, names, forms and archives, made by a grammar.

Some of it comes with a right login. None is answered by a 5xx, none hangs, nothing is stored, and a good client beside
it is answered at once all the time. Tests call it with a small number, `make fuzz-index` with a large one:

    python tests/integration/fuzz.py 100000
    python tests/integration/fuzz.py 100000 7    (another seed)
"""

from __future__ import annotations

import base64
import contextlib
import random
import re
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import requests
from fuzz_archives import broken_sdist, broken_wheel
from torture import Index, upload, wheel

from astronomer_certified.index.auth import tokens
from astronomer_certified.index.auth.credentials import Credentials

Chance = random.Random
GOOD = "good-1.0-py3-none-any.whl"

# At once: more would only wait for each other, and for the two cores that the index shares with them.
_SENDERS = 4


@dataclass(slots=True)
class Fuzzed:
    """How many requests of each shape, and what was answered: a status, `closed`, or worse. Times are in seconds;
    `good` are those of a client beside it that asks for a page and a file all the time."""

    answers: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    good: list[float] = field(default_factory=list)
    worst: list[str] = field(default_factory=list)


def fuzz(root: Path, wanted: int, seed: int = 1) -> Fuzzed:
    """So many requests, each known by the seed and its number, so that one can be sent again alone."""
    index, result = Index.at(root), Fuzzed()
    # Right tokens never wait for those who guess, and here many do, from the same address.
    token = tokens.issue(root / "tokens.json", name="fuzz", user="ann", projects=["*"], expires=None)
    login = Credentials(user=tokens.USER, password=token)
    with index.running() as (process, url):
        assert upload(url, index.credentials, *wheel("good", "1.0", b"x" * 100_000)).ok
        before = _everything(index)
        host, port = url.removeprefix("http://").rstrip("/").split(":")
        with _asking(url, result), ThreadPoolExecutor(_SENDERS) as senders:
            for _ in senders.map(
                lambda number: _send(Chance(f"{seed} {number}"), login, (host, int(port)), result),
                range(wanted),
            ):
                pass
        assert process.poll() is None, "the server is gone"
        assert requests.get(f"{url}simple/good/", timeout=10).status_code == 200
        until = time.monotonic() + 60
        while any((index.store / ".incoming").iterdir()) and time.monotonic() < until:
            time.sleep(0.1)  # what clients have gone away from is looked at all the same
        assert _everything(index) == before, f"something was stored: {_everything(index) ^ before}"
    return result


@contextlib.contextmanager
def _asking(url: str, result: Fuzzed) -> Iterator[None]:
    """A good client, as long as the block lasts."""
    over = threading.Event()

    def ask() -> None:
        with requests.Session() as session:
            while not over.wait(0.02):
                for path in ("simple/good/", f"packages/{GOOD}"):
                    start = time.monotonic()
                    answer = session.get(f"{url}{path}", timeout=30)
                    result.good.append(time.monotonic() - start)
                    if answer.status_code != 200:
                        result.worst.append(f"a good client got {answer.status_code} for {path}")

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()


def _everything(index: Index) -> set[str]:
    found = {str(path.relative_to(index.store)) for path in index.store.rglob("*") if path.is_file()}
    return {path for path in found if not path.startswith((".records/locks", ".records/audit"))}


def _send(chance: Chance, login: Credentials, address: tuple[str, int], result: Fuzzed) -> None:
    shape = chance.choice(_SHAPES)
    data = shape(chance, login)
    start = time.monotonic()
    try:
        with socket.create_connection(address, timeout=30) as wire:
            with contextlib.suppress(ConnectionError):
                wire.sendall(data)
            with contextlib.suppress(OSError):  # it may have hung up already
                wire.shutdown(socket.SHUT_WR)
            received = b""
            with contextlib.suppress(ConnectionError):
                while chunk := wire.recv(1 << 16):
                    received += chunk
    except TimeoutError:
        result.worst.append(f"{shape.__name__} hangs: {data[:300]!r}")
        result.answers["hang"] += 1
        return
    taken = time.monotonic() - start
    result.slowest = max(result.slowest, taken)
    # 100 is not an answer yet.
    statuses = [status for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", received) if status != b"100"]
    status = statuses[0].decode() if statuses else "closed"
    if status.startswith("5") or taken > 10:
        result.worst.append(f"{shape.__name__}, {status} after {taken:.1f} s: {data[:500]!r}")
    result.answers[status] += 1


# --- words


def noise(chance: Chance, longest: int = 40) -> bytes:
    return chance.randbytes(chance.randrange(1, longest))


def number(chance: Chance) -> str:
    """Something like a number."""
    return chance.choice(
        [
            "0", "-1", "1", "+1", "00", "1e9", "0x10", "1_000", "٣", "²", "NaN", "inf", "1.5", "", " ",
            str(chance.randrange(1 << 70)), "9" * chance.choice((5, 20, 400, 5000)), f"-{'9' * 30}",
        ]
    )  # fmt: skip


def date(chance: Chance) -> str:
    """Something like an HTTP date (RFC 9110, 5.6.7), each of its parts possibly another thing."""
    day = chance.choice(["Mon", "Xyz", "", "Monday"])
    month = chance.choice(["Jan", "Feb", "Foo", "13", ""])
    year = chance.choice(["1970", "2026", "0000", "9999", "10000", number(chance)])
    clock = chance.choice(["00:00:00", "24:61:61", "00:00", f"{number(chance)}:0:0", "-1:-1:-1"])
    zone = chance.choice(["GMT", "+9999", f"+{number(chance)}", "-0000", "EST", ""])
    return chance.choice(
        [f"{day}, {chance.choice(['01', '31', '99', '0'])} {month} {year} {clock} {zone}", number(chance),
         f"{day} {month}  1 {clock} {year}", f"{day}day, 01-{month}-{year[-2:]} {clock} {zone}"]
    )  # fmt: skip


def tag(chance: Chance) -> str:
    return chance.choice(['"x"', 'W/"x"', "*", '"', "W/", '"a"b"', f'"{"x" * 3000}"', "x", "", number(chance)])


def quality(chance: Chance) -> str:
    return f"q={chance.choice(['0', '1', '1.000', '1.0001', '-1', '.5', number(chance)])}"


def media(chance: Chance) -> str:
    kind = chance.choice(
        ["text/html", "*/*", "text/*", "*", "/", "application/vnd.pypi.simple.v1+json", "a/b/c",
         "application/vnd.pypi.simple.latest+html", "application/vnd.pypi.simple.v99+json", "image/png", ""]
    )  # fmt: skip
    between = chance.choice([";", " ; ", '; a="b;c,d" ;', ";;"])
    return f"{kind}{between}{quality(chance)}"


def coding(chance: Chance) -> str:
    return f"{chance.choice(['gzip', 'zstd', '*', ''])};{quality(chance)}"


def span(chance: Chance) -> str:
    ends = (number(chance) if chance.random() < 0.5 else "", number(chance) if chance.random() < 0.7 else "")
    return f"{chance.choice(['', ' ', chr(9)])}{ends[0]}-{ends[1]}"


def words_of(kind: Callable[[Chance], str], chance: Chance) -> str:
    """A list of them: one, some, or thousands."""
    many = chance.choice((1, 1, 2, 5, 100, 1500))
    made = [kind(chance)[:200] for _ in range(min(many, 20))] * (many // 20 + 1)
    return chance.choice([", ", ",", ",,", " , "]).join(made[:many])[:15_000]


_HEADERS: list[tuple[str, Callable[[Chance], str]]] = [
    ("If-Modified-Since", date), ("If-Unmodified-Since", date), ("If-Range", date), ("If-Range", tag), ("Date", date),
    ("If-None-Match", lambda chance: words_of(tag, chance)), ("If-Match", lambda chance: words_of(tag, chance)),
    ("Range", lambda chance: f"{chance.choice(['bytes', 'Bytes', 'lines', ''])}={words_of(span, chance)}"),
    ("Accept", lambda chance: words_of(media, chance)),
    ("Accept-Encoding", lambda chance: words_of(coding, chance)),
    ("X-Forwarded-For", lambda chance: words_of(number, chance)), ("Forwarded", lambda chance: f"for={number(chance)}"),
    ("Authorization", lambda chance: f"{chance.choice(['Basic', 'Bearer', 'basic', ''])} {number(chance)}"),
    ("Content-Type", media), ("Content-Length", number), ("Host", number), ("Expect", tag), ("Max-Forwards", number),
    ("Connection", lambda chance: chance.choice(["close", "keep-alive", "upgrade, x", number(chance)])),
    ("Upgrade", tag), ("Keep-Alive", lambda chance: f"timeout={number(chance)}"), ("Cookie", number), ("TE", quality),
    ("User-Agent", lambda chance: noise(chance, 300).decode("latin-1")),
]  # fmt: skip


def name(chance: Chance) -> str:
    """Something like the name of a file."""
    dots = ".".join([chance.choice("abcp3")] * chance.choice((1, 2, 38, 100)))
    version = chance.choice(
        [
            "1.0",
            "1!2.0",
            f"{number(chance)}",
            "1.0+a.b",
            "1.0.post1.dev2",
            "v1",
            "1.0-1",
            "1" * 300,
            ".".join("1" * 100),
        ]
    )
    return chance.choice(
        [
            f"../{GOOD}", f"..%2f{GOOD}", "/etc/passwd", f"\\..\\{GOOD}", f"{GOOD}\0", "\0", "a" * 100_000, f".{GOOD}",
            f"{GOOD}\n", "good.whl", "", " ", "good-1.0.tar.gz/", "gööd-1.0-py3-none-any.whl", GOOD, f"./{GOOD}",
            f"{GOOD}.asc", f"{GOOD}.metadata", f"{GOOD}.metadata.metadata", "CON-1.0-py3-none-any.whl", f"{GOOD};x",
            noise(chance).decode("latin-1"), "good-2.0-py3-none-any.whl", "good-2.0.tar.gz", "new-1.0-py3-none-any.whl",
            f"a-1-{dots}-{dots}-{dots}.whl", f"good-{version}-py3-none-any.whl", f"good-{version}.tar.gz",
            f"good-1.0-{number(chance)}-py3-none-any.whl", f"good-1.0-{'1' * 200}x-py3-none-any.whl",
            f"{dots}-1.0.tar.gz",
            "good-1.0.zip", "good-1.0.tar.bz2", "good-1.0.egg", f"GOOD-{version}-py3-none-any.WHL", "-.whl",
            "--.tar.gz",
        ]
    )  # fmt: skip


def escaped(chance: Chance, text: str) -> bytes:
    """As it is, or with some or all of it percent-encoded, sometimes wrongly or twice."""
    share = chance.choice((0.0, 0.0, 0.2, 1.0))
    made = b"".join(
        f"%{byte:{chance.choice(['02x', '02X'])}}".encode() if chance.random() < share else bytes([byte])
        for byte in text.encode("utf-8", "surrogateescape")[:4000]
    )
    return chance.choice([made, made, made.replace(b"%", b"%25"), made + chance.choice([b"%", b"%z", b"%c0%ae"])])


# --- requests


def target(chance: Chance, login: Credentials) -> bytes:
    pieces = [
        b"/", b"simple", b"packages", b"..", b"%2e%2e", b"%2f", b"%00", b"\x00", b"good", b"good-1.0-py3-none-any.whl",
        b"integrity", b"upstream", b".records", b"%ff", b"?format=", b"&", b"#", b"%", b"%zz", b"a" * 500, b" ",
        b"\xe9", b"%0d%0aX-Injected:%20yes__b", b"project", b"search?q=", b"metrics", b"health", b"legacy", b"//",
        b";", b"*", b"pypi", b"json", b"1.0", b"static",
    ]  # fmt: skip
    path = b"/" + b"/".join(chance.choices(pieces, k=chance.randrange(1, 6)))
    method = chance.choice(
        [b"GET", b"HEAD", b"GET", b"OPTIONS", b"PUT", b"DELETE", b"get", b"PATCH", b"TRACE", b"CONNECT"]
    )
    return method + b" " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def headed(chance: Chance, login: Credentials) -> bytes:
    """A good request for what is there, with headers that are not."""
    path = chance.choice(
        [
            f"/packages/{GOOD}",
            f"/packages/{GOOD}.metadata",
            "/simple/good/",
            "/simple/",
            "/",
            "/project/good/",
            "/health",
        ]
    )
    lines = [f"{chance.choice(['GET', 'GET', 'HEAD', 'POST'])} {path} HTTP/1.1", "Host: x", "Connection: close"]
    for _ in range(chance.choice((1, 1, 2, 3, 90))):
        header, value = chance.choice(_HEADERS)
        lines.append(f"{header}: {value(chance)}"[: chance.choice((200, 4000, 15_000))])
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")


def named(chance: Chance, login: Credentials) -> bytes:
    """A request for a file or a project of a name that none has."""
    room = chance.choice(
        [b"packages", b"simple", b"integrity", b"project", b"upstream/good", b"pypi", b"legacy", b"packages/good"]
    )
    asked = escaped(chance, name(chance))
    end = chance.choice([b"", b"/", b".metadata", b".provenance", b"/json", b"/1.0/json", b"?format=" + asked[:50]])
    return b"GET /" + room + b"/" + asked + end + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def smuggled(chance: Chance, login: Credentials) -> bytes:
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
        [b"", b"0\r\n\r\n", b"5\r\nabcde\r\n0\r\n\r\n", b"ffffffffffffffff\r\n", b"-1\r\n", noise(chance)]
    )
    return (
        start + b"\r\nHost: x\r\n" + b"\r\n".join(lines) + end + body + b"GET /simple/good/ HTTP/1.1\r\nHost: x\r\n\r\n"
    )


def pipelined(chance: Chance, login: Credentials) -> bytes:
    """Many requests before any answer is taken, the last of them perhaps not whole."""
    one = chance.choice([target, headed, named])(chance, login).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    known = b"GET /simple/good/ HTTP/1.1\r\nHost: x\r\n\r\n"
    return known * chance.randrange(300) + one + known * chance.randrange(300) + known[: chance.randrange(len(known))]


def form(chance: Chance, login: Credentials) -> bytes:
    """An upload whose form is wrong in one way or several, by somebody who may upload."""
    boundary = chance.choice([b"x", b"boundary", b"", b"a" * 300, b'"q"', b"\xff"])
    kind = chance.choice(
        [b"multipart/form-data; boundary=" + boundary] * 6
        + [b"multipart/form-data", b"text/plain", b"", b"x" * 999, b"application/x-www-form-urlencoded",
           b"multipart/form-data; boundary=" + boundary + b"; boundary=y",
           b"multipart/form-data; boundary*=utf-8''" + boundary]
    )  # fmt: skip
    contents = [b"", b"not a zip", b"PK\x05\x06" + bytes(18), noise(chance, 3000)]
    fields: list[tuple[bytes, bytes]] = [
        (
            b'name=":action"',
            chance.choice([b"file_upload"] * 5 + [b"remove_pkg", b"\0", b"", b"doc_upload", b"list_packages"]),
        )
    ]
    file = name(chance).encode("utf-8", "replace")
    fold = chance.choice([b""] * 4 + [b"\r\n " * 50, b"; filename*=utf-8''x", b'\\"', b"=?utf-8?q?x?="])
    fields += [(b'name="content"; filename="' + file + fold + b'"', chance.choice(contents))] * chance.choice(
        (1, 1, 1, 0, 2)
    )
    if chance.random() < 0.4:
        fields.append(chance.choice([
            (b'name="sha256_digest"', noise(chance)), (b'name="attestations"', b'[{"version": 1}]'),
            (b'name="md5_digest"', noise(chance)), (b'name="blake2_256_digest"', b"0" * 64),
            (b'name="attestations"', b"[" * 5000), (b'name="name"', noise(chance)), (b'name="version"', b"\0"),
            (b'name="version"', number(chance).encode()), (b'name="requires_dist"', b"x" * 10_000),
            (b'name="version"', b"1" * 5000), (b'name="name"; filename="x"', b"good"),
            (b'name="name"', b"a-" * 200_000),
            (b'name="gpg_signature"; filename="' + file + b'.asc"', b"x"), (b"", b""),
            (b'name="' + noise(chance), b"1"),
        ]))  # fmt: skip
    charsets = [b""] * 9 + [
        b"\r\nContent-Type: text/plain; charset=" + charset
        for charset in (b"punycode", b"utf-7", b"hex", b"bogus", b"utf-8", b'"a b"', b"idna", noise(chance, 9))
    ]
    body = b"".join(
        b"--" + boundary + b"\r\nContent-Disposition: form-data; " + h + chance.choice(charsets) + b"\r\n\r\n" + v
        + b"\r\n" for h, v in fields
    )  # fmt: skip
    body += chance.choice([b"--" + boundary + b"--\r\n"] * 4 + [b"", b"--" + boundary])
    length = len(body) + chance.choice([0] * 8 + [-3, 7])
    auth = base64.b64encode(f"{login.user}:{login.password}".encode())
    if chance.random() < 0.1:
        auth = chance.choice([b"", b"!!!", base64.b64encode(b"\xff:\xff"), base64.b64encode(b"nobody"), b"x" * 9000])
    return _posted(auth, kind, max(0, length), body)


def archive(chance: Chance, login: Credentials) -> bytes:
    """A form that is right, with a wheel or an sdist that is not."""
    file, content = chance.choice([broken_wheel, broken_wheel, broken_sdist])(chance)
    body = (
        b'--x\r\nContent-Disposition: form-data; name=":action"\r\n\r\nfile_upload\r\n'
        b'--x\r\nContent-Disposition: form-data; name="content"; filename="' + file.encode() + b'"\r\n\r\n'
        + content + b"\r\n--x--\r\n"
    )  # fmt: skip
    auth = base64.b64encode(f"{login.user}:{login.password}".encode())
    return _posted(auth, b"multipart/form-data; boundary=x", len(body), body)


def _posted(auth: bytes, kind: bytes, length: int, body: bytes) -> bytes:
    return (
        b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic " + auth
        + b"\r\nContent-Type: " + kind + b"\r\nContent-Length: " + str(length).encode() + b"\r\n\r\n" + body
    )  # fmt: skip


def garbage(chance: Chance, login: Credentials) -> bytes:
    return noise(chance, 500) + chance.choice([b"", b"\r\n\r\n"])


_SHAPES = [target, headed, headed, headed, named, named, named, smuggled, pipelined, form, form, archive, garbage]


def main() -> int:
    wanted, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        fuzzed = fuzz(Path(folder), wanted, seed)
    good = sorted(fuzzed.good)
    print(f"{sum(fuzzed.answers.values())} requests, the slowest {fuzzed.slowest:.2f} s; nothing stored")
    print(", ".join(f"{status}: {count}" for status, count in sorted(fuzzed.answers.items())))
    print(f"a good client: {len(good)} answers, half in {good[len(good) // 2]:.3f} s, the slowest {good[-1]:.3f} s")
    for line in fuzzed.worst[:10]:
        print(line)
    print(f"{time.monotonic() - start:.0f} s")
    return 1 if fuzzed.worst or good[-1] > 1 else 0


if __name__ == "__main__":
    sys.exit(main())
