"""Files appear whole or not at all, locks die with their holder, and children know nothing of the caller's settings."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from factories import ROOT, tree, write_tree

from astronomer_certified.effects import disk, processes, respondents
from astronomer_certified.errors import CommandFailed, EnvironmentMissing

WRITE_FILE_AND_HANG = """
import sys
from pathlib import Path
from astronomer_certified.effects import disk, processes
with disk.atomic_file(Path(sys.argv[1])) as beside:
    beside.write_bytes(b"half")
    print("half", flush=True)
    sys.stdin.read()
"""

WRITE_FOLDER_AND_HANG = """
import sys
from pathlib import Path
from astronomer_certified.effects import disk, processes
with disk.atomic_folder(Path(sys.argv[1])) as beside:
    (beside / "one").write_text("half")
    print("half", flush=True)
    sys.stdin.read()
"""

LOCK_AND_HANG = """
import sys
from pathlib import Path
from astronomer_certified.effects import disk, processes
with disk.lock(Path(sys.argv[1]), on_wait=print):
    print("locked", flush=True)
    sys.stdin.read()
"""


class Interrupted(Exception):
    """What a test throws into a block."""


def wait_until(true: Callable[[], bool]) -> bool:
    """Whether that becomes true within a few seconds."""
    end = time.monotonic() + 10
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    return true()


def is_gone(process: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet has."""
    try:
        return "zombie" in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def interrupted(block: AbstractContextManager[Path | None], work: Callable[[Path], object] = repr) -> None:
    """The block is entered, does its work, and ends with an error."""
    with pytest.raises(Interrupted), block as beside:  # noqa: PT012  the work is what the error interrupts
        work(beside or Path())
        raise Interrupted


@contextmanager
def hanging(script: str, target: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has reached the middle of its work and stays there; killed the hard way at the end."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    words = [sys.executable, "-c", script, str(target)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


# --- files


def test_a_file_appears_with_its_whole_content_and_in_a_new_folder(tmp_path: Path) -> None:
    disk.write_atomic(tmp_path / "a" / "b" / "file", b"content")
    assert tree(tmp_path) == {"a/b/file": b"content"}
    assert (tmp_path / "a/b/file").stat().st_mode & 0o777 == 0o644


def test_an_error_in_the_block_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    interrupted(disk.atomic_file(target), lambda beside: beside.write_bytes(b"half"))
    assert tree(tmp_path) == {"file": b"old"}


def test_an_error_in_the_block_leaves_no_file_where_none_was(tmp_path: Path) -> None:
    interrupted(disk.atomic_file(tmp_path / "file"), lambda beside: beside.write_bytes(b"half"))
    assert list(tmp_path.iterdir()) == []


def test_a_reader_sees_the_old_or_the_new_file_and_nothing_between(tmp_path: Path) -> None:
    target = tmp_path / "file"
    contents = {bytes([letter]) * 100_000 for letter in b"ab"}
    target.write_bytes(min(contents))
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(target.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for content in sorted(contents) * 10:
        disk.write_atomic(target, content)
    done.set()
    reader.join()
    assert seen <= contents


def test_a_writer_that_is_killed_leaves_the_old_file_and_sweep_clears_up(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with hanging(WRITE_FILE_AND_HANG, target) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert target.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 2
    disk.sweep(tmp_path)
    assert tree(tmp_path) == {"file": b"old"}


# --- folders


def test_a_folder_appears_whole_and_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "a" / "folder"
    for content in ("old", "new"):
        with disk.atomic_folder(target) as beside:
            write_tree(beside, {f"{content}.txt": content, "sub/file": content})
    assert tree(tmp_path) == {"a/folder/new.txt": b"new", "a/folder/sub/file": b"new"}
    assert target.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in target.parent.iterdir()] == ["folder"]


def test_an_error_in_the_block_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    write_tree(tmp_path / "folder", {"file": "old"})
    interrupted(disk.atomic_folder(tmp_path / "folder"), lambda beside: write_tree(beside, {"file": "half"}))
    assert tree(tmp_path) == {"folder/file": b"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_writer_that_is_killed_leaves_the_old_folder_and_sweep_clears_up(tmp_path: Path) -> None:
    write_tree(tmp_path / "folder", {"file": "old"})
    with hanging(WRITE_FOLDER_AND_HANG, tmp_path / "folder") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert tree(tmp_path / "folder") == {"file": b"old"}
    assert len(list(tmp_path.iterdir())) == 2
    disk.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_scratch_folder_is_gone_afterwards_whatever_happens(tmp_path: Path) -> None:
    scratch = disk.scratch_folder(tmp_path / "scratch", "work")
    interrupted(scratch, lambda folder: write_tree(folder, {"deep/file": "x"}))
    assert list((tmp_path / "scratch").iterdir()) == []


def test_sweep_takes_temporaries_only(tmp_path: Path) -> None:
    write_tree(tmp_path, {"file": "", ".hidden": "", "folder/.x.tmp-1": "", ".x.tmp-1": "", ".y.tmp-2/file": ""})
    disk.sweep(tmp_path)
    assert tree(tmp_path).keys() == {"file", ".hidden", "folder/.x.tmp-1"}
    disk.sweep(tmp_path / "not there")


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is taken for the machine's shared memory."""
    folder = tmp_path / "memory"
    folder.mkdir()
    monkeypatch.setattr(disk, "_MEMORY", folder)
    monkeypatch.setattr(disk, "_MEMORY_NEEDED", 0)
    return folder


def test_a_folder_in_memory_is_used_only_when_it_is_our_own(tmp_path: Path, memory: Path) -> None:
    ours = disk.memory_folder(tmp_path / "build")
    assert ours.parent == memory
    assert ours != disk.memory_folder(tmp_path / "another")
    ours.mkdir()
    assert disk.memory_folder(tmp_path / "build") == ours
    ours.rmdir()
    ours.symlink_to(tmp_path)
    assert disk.memory_folder(tmp_path / "build") == tmp_path / "build"


def test_a_folder_in_memory_that_somebody_else_made_meanwhile_is_refused(tmp_path: Path, memory: Path) -> None:
    ours = disk.memory_folder(tmp_path / "build")
    ours.symlink_to(tmp_path)
    with pytest.raises(PermissionError, match=str(ours)), disk.scratch_folder(ours, "work"):
        pass
    assert sorted(tmp_path.iterdir()) == [memory]


def test_without_room_in_memory_the_disk_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_MEMORY_NEEDED", 2**80)
    assert disk.memory_folder(tmp_path / "build") == tmp_path / "build"
    monkeypatch.setattr(disk, "_MEMORY", tmp_path / "not there")
    assert disk.memory_folder(tmp_path / "build") == tmp_path / "build"


def test_nothing_is_left_in_memory_once_nobody_works_there(tmp_path: Path, memory: Path) -> None:
    room = disk.memory_folder(tmp_path / "build")
    with disk.scratch_folder(room, "first"):
        assert room.stat().st_mode & 0o777 == 0o700
        with disk.scratch_folder(room, "second") as second:
            write_tree(second, {"deep/file": "x"})
        assert room.is_dir()
    assert list(memory.iterdir()) == []


SCRATCH = """
import sys
from pathlib import Path
from astronomer_certified.effects import disk
disk._MEMORY = Path(sys.argv[1]).parent
for number in range(500):
    with disk.scratch_folder(Path(sys.argv[1]), "work") as folder:
        (folder / "file").write_bytes(b"x")
"""


def test_several_who_come_and_go_in_memory_do_not_take_each_others_room_away(tmp_path: Path, memory: Path) -> None:
    room = disk.memory_folder(tmp_path / "build")
    words = [sys.executable, "-c", SCRATCH, str(room)]
    several = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate()[1] for process in several] == [""] * 4
    assert [process.returncode for process in several] == [0] * 4
    assert list(memory.iterdir()) == []


def test_what_a_killed_run_left_in_memory_is_swept_and_its_room_with_it(tmp_path: Path, memory: Path) -> None:
    room = disk.memory_folder(tmp_path / "build")
    write_tree(room, {".work.tmp-1/half": "", ".other.tmp-1/half": ""})
    disk.sweep(tmp_path / "build", "work")
    assert tree(memory).keys() == {f"{room.name}/.other.tmp-1/half"}
    disk.sweep(tmp_path / "build")
    assert list(memory.iterdir()) == []


# --- locks


def test_a_lock_keeps_another_process_out_until_its_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "lock"
    waited_for: list[str] = []
    waiting, entered = threading.Event(), threading.Event()

    def waits(pid: str) -> None:
        waited_for.append(pid)
        waiting.set()

    def enter() -> None:
        with disk.lock(path, on_wait=waits):
            entered.set()

    with hanging(LOCK_AND_HANG, path) as holder:
        follower = threading.Thread(target=enter, daemon=True)
        follower.start()
        assert waiting.wait(10)
        assert waited_for == [str(holder.pid)]
        assert not entered.wait(0.1)
        holder.send_signal(signal.SIGKILL)
        assert entered.wait(10)
        follower.join()


def test_a_free_lock_is_taken_without_a_word_again_and_again(tmp_path: Path) -> None:
    for _ in range(2):
        with disk.lock(tmp_path / "lock", on_wait=lambda pid: pytest.fail(f"waits for {pid}")):
            assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_a_lock_is_free_after_an_error(tmp_path: Path) -> None:
    interrupted(disk.lock(tmp_path / "lock", on_wait=pytest.fail))
    with disk.lock(tmp_path / "lock", on_wait=pytest.fail):
        pass


# --- processes


def test_a_server_runs_while_its_block_does_and_its_children_end_with_it(tmp_path: Path) -> None:
    sleeper = "import time; time.sleep(60)"
    script = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {sleeper!r}])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    log = tmp_path / "logs" / "server.log"
    environment = processes.clean_environment()
    with processes.background([sys.executable, "-c", script], cwd=tmp_path, env=environment, log=log) as runs:
        assert wait_until(lambda: log.read_text().endswith("\n"))
        child = int(log.read_text())
        assert runs()
    assert not runs()
    assert wait_until(lambda: is_gone(child))


def test_a_server_that_ended_by_itself_is_known(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "print('bye')"]
    log = tmp_path / "log"
    with processes.background(words, cwd=tmp_path, env=processes.clean_environment(), log=log) as runs:
        assert wait_until(lambda: not runs())
    assert log.read_text() == "bye\n"


def test_a_child_knows_nothing_of_the_callers_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {
        "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONSTRAINT", "PIP_PRE", "PIP_TARGET",
        "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_PRERELEASE", "UV_CONFIG_FILE", "UV_EXCLUDE_NEWER",
        "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "AIRFLOW_HOME", "AIRFLOW__CORE__SQL_ALCHEMY_CONN",
        "GIT_DIR", "SETUPTOOLS_USE_DISTUTILS", "CERTIFIED_UPSTREAM_INDEX_URL",
    }  # fmt: skip
    for name in settings:
        monkeypatch.setenv(name, "changed")
    for name in ("HTTPS_PROXY", "SSL_CERT_FILE", "PIP_CERT", "UV_CACHE_DIR"):
        monkeypatch.setenv(name, "kept")
    environment = processes.clean_environment(EXTRA="1")
    assert environment.keys().isdisjoint(settings)
    assert {name for name, value in environment.items() if value == "kept"} >= {
        "HTTPS_PROXY",
        "SSL_CERT_FILE",
        "PIP_CERT",
    }
    assert environment["PATH"] == os.environ["PATH"]
    assert environment["PIP_CONFIG_FILE"] == os.devnull
    assert environment["EXTRA"] == "1"
    assert processes.clean_environment(PATH="/bin")["PATH"] == "/bin"


def test_a_child_gets_the_clean_environment_and_no_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/changed")
    script = "import os, sys; print(os.environ.get('PYTHONPATH'), os.environ['LC_ALL'], repr(sys.stdin.read()))"
    assert processes.run([sys.executable, "-c", script]).stdout == "None C.UTF-8 ''\n"


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(EnvironmentMissing, match="program not found: no-such-program"):
        processes.run(["no-such-program", "x"])


def test_a_folder_that_is_not_there_is_not_taken_for_a_missing_program(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="no such folder") as caught:
        processes.run([sys.executable, "-V"], cwd=tmp_path / "not there")
    assert str(tmp_path / "not there") in str(caught.value)


def test_a_file_that_may_not_be_executed_is_named(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    with pytest.raises(EnvironmentMissing, match="cannot be executed") as caught:
        processes.run([program])
    assert str(program) in str(caught.value)


def test_a_program_that_fails_is_shown_with_its_own_last_words() -> None:
    script = "import sys; print('\\n'.join(map(str, range(100)))); sys.stderr.write('the reason\\n'); sys.exit(3)"
    with pytest.raises(CommandFailed) as caught:
        processes.run([sys.executable, "-c", script])
    assert caught.value.what == f"{Path(sys.executable).name} ended with status 3"
    assert caught.value.details[0].startswith(sys.executable)
    assert caught.value.details[-2:] == ("99", "the reason")
    assert caught.value.details[1:3] == ("0", "1")
    assert len(caught.value.details) < 30


def test_a_failure_may_be_wanted() -> None:
    assert processes.run([sys.executable, "-c", "raise SystemExit(3)"], check=False).returncode == 3


def test_a_log_holds_the_command_and_everything_it_printed(tmp_path: Path) -> None:
    script = "import sys; print('out', flush=True); sys.stderr.write('err\\n'); sys.exit(1)"
    with pytest.raises(CommandFailed, match="ended with status 1") as caught:
        processes.run([sys.executable, "-c", script], log=tmp_path / "logs" / "log")
    lines = (tmp_path / "logs" / "log").read_text().splitlines()
    assert lines[0].startswith(f"$ {sys.executable}")
    assert lines[-2:] == ["out", "err"]
    assert str(tmp_path / "logs" / "log") in str(caught.value.hint)


def test_a_program_that_takes_too_long_is_ended() -> None:
    with pytest.raises(CommandFailed, match=r"did not end within 0\.2 s"):
        processes.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2)


def test_output_that_is_no_utf_8_is_no_error() -> None:
    script = "import sys; sys.stdout.buffer.write(b'\\xff\\n')"
    assert processes.run([sys.executable, "-c", script]).stdout == "\ufffd\n"


def test_a_full_disk_is_one_message_with_a_hint() -> None:
    error = disk.as_workspace_error(OSError(28, "No space left on device", "/build/tree"))
    assert error.what == "/build/tree: No space left on device"
    assert "free some space" in str(error.hint)


def test_a_free_port_is_one_that_nobody_has_and_that_nobody_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    given = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if given.exists():
        assert all(port not in processes._PORTS for port in map(int, given.read_text().split()))
    taken = processes.free_port()
    with socket.create_server(("127.0.0.1", taken)):
        monkeypatch.setattr(processes, "_PORTS", range(taken - 1, taken + 1))
        monkeypatch.setattr(processes, "_TRIES", 2)
        assert processes.free_port() == taken - 1
        monkeypatch.setattr(processes, "_PORTS", [taken])
        monkeypatch.setattr(processes, "_TRIES", 1)
        with pytest.raises(EnvironmentMissing, match="no TCP port"):
            processes.free_port()


# --- bytes in and out


def test_bytes_go_through_a_program_as_they_are(tmp_path: Path) -> None:
    done = processes.pipe(["cat"], cwd=tmp_path, env=processes.clean_environment(), stdin=b"\xff\r\n\0")
    assert done.stdout == b"\xff\r\n\0"


def test_a_status_that_is_not_expected_is_an_error_with_what_was_said(tmp_path: Path) -> None:
    words = ["sh", "-c", "echo why >&2; exit 3"]
    env = processes.clean_environment()
    assert processes.pipe(words, cwd=tmp_path, env=env, statuses=(0, 3)).returncode == 3
    with pytest.raises(CommandFailed, match=r"sh ended with status 3\n.*\n  why"):
        processes.pipe(words, cwd=tmp_path, env=env)


def test_a_program_or_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match="program not found: no-such-program"):
        processes.pipe(["no-such-program"], cwd=tmp_path, env=processes.clean_environment())
    with pytest.raises(CommandFailed, match="no such folder: "):
        processes.pipe(["cat"], cwd=tmp_path / "gone", env=processes.clean_environment())


def test_a_folder_that_several_make_at_once_is_whole_and_nobody_fails(tmp_path: Path) -> None:
    target = tmp_path / "folder"

    def make(content: str) -> None:
        for _ in range(100):
            with disk.atomic_folder(target) as beside:
                write_tree(beside, {"first": content, "second": content})

    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(make, "abcd"))

    assert (target / "first").read_text() == (target / "second").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_program_that_does_not_read_what_it_is_asked_keeps_nobody_waiting() -> None:
    respondent = respondents.Respondent([sys.executable, "-c", "import time; time.sleep(60)"], env=os.environ)
    begun = time.monotonic()
    with pytest.raises(respondents.Ended, match="gave no answer in time"):
        respondent.ask(b"?" * 1_000_000, timeout=0.5, longest=10)
    assert time.monotonic() - begun < 20


def test_a_question_that_is_longer_than_a_pipe_holds_is_asked_whole() -> None:
    echo = (
        "import sys\ntext = sys.stdin.buffer.read(300000)\nsys.stdout.buffer.write(len(text).to_bytes(8, 'big') + text)"
    )
    respondent = respondents.Respondent([sys.executable, "-c", echo], env=os.environ)
    assert respondent.ask(b"?" * 300_000, timeout=20, longest=300_000) == b"?" * 300_000
    respondent.end()


def test_folders_that_killed_processes_left_are_taken_away_and_those_in_use_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, others = tmp_path / "made-left", tmp_path / "made-others"
    for folder in (left, others):
        folder.mkdir()
    (left / "in-use").touch()
    evil = tmp_path / "made-pipe"
    evil.mkdir()
    os.mkfifo(evil / "in-use")  # whose opening waits for somebody to write into it
    with disk.folder_in_use("made-") as one, disk.folder_in_use("made-") as other:
        assert sorted(tmp_path.iterdir()) == sorted([one, other, others, evil])
    assert sorted(tmp_path.iterdir()) == [others, evil]


# A step that waits for a server of its own, and would start another program when that has ended.
INTERRUPTED = """
import signal, sys, time
from pathlib import Path
from astronomer_certified.effects import processes
from astronomer_certified.errors import CommandFailed
from astronomer_certified.steps.progress import Quiet
from astronomer_certified.steps.receipts import Made
from astronomer_certified.steps.runner import Step, perform

# Who starts tests in the background of a shell has them ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
here = Path(sys.argv[1])
env = processes.clean_environment()

def wait(done):
    sleeper = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"]
    with processes.background(sleeper, cwd=here, env=env, log=here / "server.log"):
        try:
            processes.run([sys.executable, "-c", "import time; time.sleep(60)"])
        except CommandFailed:
            pass
        processes.run([sys.executable, "-c", f"open({str(here / 'started')!r}, 'w')"])
    return Made(record={}, note="")

steps = [Step(name=name, inputs=lambda done: {}, do=wait, receipt=here / name) for name in ("a", "b")]
try:
    perform(steps, 1, Quiet())
except KeyboardInterrupt:
    print("interrupted")
"""


def test_who_is_interrupted_ends_what_runs_and_starts_nothing_else(tmp_path: Path) -> None:
    words = [sys.executable, "-c", INTERRUPTED, str(tmp_path)]
    log = tmp_path / "server.log"
    # A session of its own, as a terminal would interrupt what it started, too.
    with subprocess.Popen(words, start_new_session=True, stdout=subprocess.PIPE, text=True) as process:
        assert wait_until(lambda: log.exists() and log.read_text().endswith("\n"))
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=30)

    assert said == "interrupted\n"
    assert wait_until(lambda: is_gone(int(log.read_text())))
    assert not (tmp_path / "started").exists()
    assert not (tmp_path / "a").exists()
