"""Children that read what strangers send: their limits, their end, and that one's end is nobody else's."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from raw_archives import SDIST, entries, long_pax_header, long_record, many_members, raw_sdist, raw_zip
from tiny_wheels import METADATA, NAME, wheel, whole

from astronomer_certified.errors import PublishError
from astronomer_certified.index.store import validation
from astronomer_certified.index.store.validation import Refused
from astronomer_certified.index.store.verifier import Limits, Verifier

VERIFY = """
import sys
from pathlib import Path
from astronomer_certified.index.store import validation
from astronomer_certified.index.store.verifier import Verifier
path = Path(sys.argv[1])
verifier = Verifier()
if sys.argv[2] == "idle":
    verifier.verify(path, validation.parse(path.name))
    print("idle", flush=True)
    sys.stdin.read()
print("busy", flush=True)
verifier.verify(path, validation.parse(path.name))
"""


def children(parent: int) -> set[int]:
    """The processes that a process has started and that still run."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in brackets may hold blanks; state and parent come behind it (proc(5)).
            state, above, *_ = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(above) == parent and state != "Z":
            found.add(int(path.parent.name))
    return found


def gone(numbers: set[int], within: float) -> bool:
    """Whether these processes have ended, after at most so many seconds."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        if not any(Path(f"/proc/{number}/stat").exists() for number in numbers):
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def verifier() -> Iterator[Verifier]:
    made = Verifier()
    yield made
    made.close()


@pytest.fixture(scope="module")
def crowd() -> bytes:
    """An sdist that takes a second or two to verify, and is sound."""
    return many_members(40_000)


def file(folder: Path, name: str, content: bytes) -> tuple[Path, validation.ClaimedFile]:
    path = folder / name
    path.write_bytes(content)
    return path, validation.parse(name)


def test_a_sound_file_says_what_it_is_and_the_next_one_is_read_by_the_same_child(
    verifier: Verifier, tmp_path: Path
) -> None:
    before = children(os.getpid())
    sound = file(tmp_path, NAME, wheel(whole(metadata=METADATA + "Requires-Python: >=3.6\n")))

    contents = verifier.verify(*sound)
    [child] = children(os.getpid()) - before

    assert (contents.metadata.decode(), contents.requires_python) == (METADATA + "Requires-Python: >=3.6\n", ">=3.6")
    assert verifier.verify(*file(tmp_path, SDIST, raw_sdist())).metadata == METADATA.encode()
    with pytest.raises(Refused, match="not a sound archive"):
        verifier.verify(*file(tmp_path, NAME, b"no zip"))
    assert children(os.getpid()) - before == {child}


def test_metadata_of_any_bytes_comes_back_as_it_is(verifier: Verifier, tmp_path: Path) -> None:
    text = METADATA + "Summary: ä\n\n" + "\n\0\r\n" * 300_000
    assert verifier.verify(*file(tmp_path, NAME, wheel(whole(metadata=text)))).metadata == text.encode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param(SDIST, lambda: long_pax_header(60_000), id="60,000 digits"),
        pytest.param(NAME, lambda: long_record(300_000), id="300,000 lines of RECORD"),
        pytest.param(SDIST, lambda: many_members(110_000), id="110,000 members"),
    ],
)
def test_what_once_took_half_a_minute_is_refused_and_costs_this_process_nothing(
    verifier: Verifier, tmp_path: Path, name: str, content: object
) -> None:
    assert callable(content)
    bomb = file(tmp_path, name, content())
    verifier.verify(*file(tmp_path, NAME.replace("1.0", "1.0.0"), wheel()))  # the start of a child is not counted

    start = time.process_time() + os.times().children_user
    with pytest.raises(Refused, match=r"more than|more lines|pax header"):
        verifier.verify(*bomb)

    assert time.process_time() + os.times().children_user - start < 0.5


def test_what_takes_more_of_a_processor_than_allowed_is_refused_and_the_next_is_taken(
    tmp_path: Path, crowd: bytes
) -> None:
    verifier = Verifier(Limits(processor=0.05, per_megabyte=0, patience=2000))
    with pytest.raises(Refused, match=r"more than 0\.05 s of a processor"):
        verifier.verify(*file(tmp_path, SDIST, crowd))
    assert verifier.verify(*file(tmp_path, NAME, wheel())).metadata == METADATA.encode()


def test_what_takes_more_time_than_allowed_is_refused_and_the_next_is_taken(tmp_path: Path, crowd: bytes) -> None:
    verifier = Verifier(Limits(processor=20, per_megabyte=0, patience=0.02))
    with pytest.raises(Refused, match=r"longer than 0\.4 s"):
        verifier.verify(*file(tmp_path, SDIST, crowd))
    patient = Verifier()
    assert patient.verify(*file(tmp_path, NAME, wheel())).metadata == METADATA.encode()


def test_what_takes_more_memory_than_allowed_is_refused_and_the_next_is_taken(tmp_path: Path, crowd: bytes) -> None:
    verifier = Verifier(Limits(memory=48 << 20))
    with pytest.raises(Refused, match="more than 48 MB of memory"):
        verifier.verify(*file(tmp_path, SDIST, crowd))
    assert verifier.verify(*file(tmp_path, NAME, wheel())).metadata == METADATA.encode()


def test_the_largest_archives_that_are_allowed_fit_into_the_limits(verifier: Verifier, tmp_path: Path) -> None:
    members = {f"tiny/{'a' * 100}/{number}.py": "" for number in range(20_000)}
    filled = wheel(whole() | members)
    assert verifier.verify(*file(tmp_path, NAME, filled)).metadata == METADATA.encode()
    assert verifier.verify(*file(tmp_path, SDIST, many_members(95_000))).metadata == METADATA.encode()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_child_that_is_killed_at_its_work_costs_that_file_only(
    verifier: Verifier, tmp_path: Path, number: signal.Signals, crowd: bytes
) -> None:
    before = children(os.getpid())
    sound = file(tmp_path, NAME, wheel())
    verifier.verify(*sound)
    [child] = children(os.getpid()) - before
    crowded = file(tmp_path, SDIST, crowd)
    threading.Timer(0.2, os.kill, (child, number)).start()

    with pytest.raises(Refused, match=f"the process that verified it was ended by {number.name}"):
        verifier.verify(*crowded)
    assert verifier.verify(*sound).metadata == METADATA.encode()


def test_an_index_that_ends_gives_up_what_it_verifies_and_refuses_nobodys_file(
    verifier: Verifier, tmp_path: Path, crowd: bytes
) -> None:
    path, claimed = file(tmp_path, SDIST, crowd)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(verifier.verify, path, claimed)
        while not verifier._busy:
            time.sleep(0.01)
        time.sleep(0.2)
        verifier.give_up()
        start = time.monotonic()
        with pytest.raises(PublishError, match="was not verified") as caught:
            asked.result(30)
    assert not isinstance(caught.value, Refused)
    assert time.monotonic() - start < 1
    with pytest.raises(PublishError, match="was not verified"):
        verifier.verify(path, claimed)


def test_a_child_that_is_killed_while_it_waits_is_not_missed(verifier: Verifier, tmp_path: Path) -> None:
    before = children(os.getpid())
    sound = file(tmp_path, NAME, wheel())
    verifier.verify(*sound)
    [child] = children(os.getpid()) - before
    os.kill(child, signal.SIGKILL)
    while child in children(os.getpid()):
        time.sleep(0.01)

    assert verifier.verify(*sound).metadata == METADATA.encode()


def test_what_ends_a_group_of_processes_does_not_end_a_child_at_its_work(
    verifier: Verifier, tmp_path: Path, crowd: bytes
) -> None:
    before = children(os.getpid())
    verifier.verify(*file(tmp_path, NAME, wheel()))
    [child] = children(os.getpid()) - before
    crowded = file(tmp_path, SDIST, crowd)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        threading.Timer(0.1, os.kill, (child, number)).start()
    assert verifier.verify(*crowded).metadata == METADATA.encode()
    assert children(os.getpid()) - before == {child}


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_a_child_ends_when_the_process_that_asks_is_killed(tmp_path: Path, state: str, crowd: bytes) -> None:
    content = wheel() if state == "idle" else crowd
    path, _ = file(tmp_path, NAME if state == "idle" else SDIST, content)
    argv = [sys.executable, "-c", VERIFY, str(path), state]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == state.encode()
        until = time.monotonic() + 10
        while not (left := children(process.pid)) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.3 if state == "busy" else 0)
        process.kill()

    assert len(left) == 1
    assert gone(left, 5)


def test_children_end_when_nobody_has_the_verifier_any_more(tmp_path: Path) -> None:
    before = children(os.getpid())
    verifier = Verifier()
    verifier.verify(*file(tmp_path, NAME, wheel()))
    assert len(children(os.getpid()) - before) == 1
    del verifier
    gc.collect()
    assert children(os.getpid()) - before == set()


def test_two_files_at_once_have_a_child_each_and_a_third_waits(tmp_path: Path) -> None:
    verifier, before = Verifier(Limits(at_once=2)), children(os.getpid())
    found: list[bytes] = []
    most = 0

    def verify(number: int) -> None:
        name = f"tiny-1.{'0.' * number}0.tar.gz"
        found.append(verifier.verify(*file(tmp_path, name, many_members(10_000))).metadata)

    threads = [threading.Thread(target=verify, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        most = max(most, len(children(os.getpid()) - before))
        time.sleep(0.01)
    assert found == [METADATA.encode()] * 4
    assert most == 2


def test_a_child_can_write_no_file_and_start_no_process(tmp_path: Path) -> None:
    """What it gave up, as Linux tells it."""
    verifier, before = Verifier(), children(os.getpid())
    verifier.verify(*file(tmp_path, NAME, raw_zip(entries())))
    [child] = children(os.getpid()) - before
    limits = Path(f"/proc/{child}/limits").read_text()

    found = {line[:26].strip(): line[26:].split()[:2] for line in limits.splitlines()}
    for what, most in {
        "Max file size": "0", "Max core file size": "0", "Max processes": "0", "Max address space": str(512 << 20),
    }.items():  # fmt: skip
        assert found[what] == [most, most]
    assert int(found["Max cpu time"][0]) <= 25


class Watched(list[Any]):
    """A list at which two look at the same time, before either of them takes something."""

    def __init__(self, *entries: Any) -> None:
        super().__init__(entries)
        self._together = threading.Barrier(2)

    def __bool__(self) -> bool:
        found = len(self) > 0
        with suppress(threading.BrokenBarrierError):
            self._together.wait(1)
        return found

    def pop(self, *where: Any) -> Any:
        taken = super().pop(*where)
        time.sleep(0.2)  # so that the other one comes before it is put back
        return taken


def test_the_last_idle_child_is_given_to_one_of_two_files_at_most(verifier: Verifier, tmp_path: Path) -> None:
    sound = file(tmp_path, NAME, wheel())
    verifier.verify(*sound)
    with ExitStack() as stack:
        watched = Watched(*verifier._idle)
        stack.callback(lambda: [child.end() for child in watched])
        verifier._idle = watched
        pool = stack.enter_context(ThreadPoolExecutor(2))
        found = [asked.result().metadata for asked in [pool.submit(verifier.verify, *sound) for _ in range(2)]]
    assert found == [METADATA.encode()] * 2
