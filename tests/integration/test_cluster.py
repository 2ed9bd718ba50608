"""Other machines: a program is sent to the workers of a scheduler, and to the next one when a worker dies."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from astronomer_certified.effects import families
from astronomer_certified.effects.cluster import Cluster, Parcel
from astronomer_certified.effects.processes import background, clean_environment, free_port, run
from astronomer_certified.errors import CommandFailed, EnvironmentMissing

# Says who carries it out, and waits until it may answer.
PROGRAM = """
import json, os, pathlib, sys, time
folder = pathlib.Path(sys.stdin.read())
(folder / f"started-{os.getpid()}").write_text(str(os.getppid()))
while not (folder / "go").exists():
    time.sleep(0.05)
print(json.dumps({"pid": os.getpid(), "beside": pathlib.Path(sys.path[0], "beside.txt").read_text()}))
print("a complaint", file=sys.stderr)
"""


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """The address of a scheduler with two workers, each a process of its own, and none of them with the tool."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    # Without `site`, nothing that is installed by a .pth file .
    dask = [sys.executable, "-S", "-m", "dask"]
    beside = Path(sys.executable).parent
    env = clean_environment(
        HOME=str(tmp_path), PYTHONPATH=sysconfig.get_path("purelib"), DASK_DISTRIBUTED__WORKER__DAEMON="False"
    )
    env["PATH"] = f"{beside}:{env['PATH']}"
    run([*dask[:2], "-c", "import distributed"], env=env, cwd=tmp_path)
    with pytest.raises(CommandFailed, match="ended with status 1"):
        run([*dask[:2], "-c", "import astronomer_certified"], env=env, cwd=tmp_path)
    with contextlib.ExitStack() as stack:

        def start(name: str, *words: str) -> None:
            log = tmp_path / f"{name}.log"
            running = stack.enter_context(background([*dask, *words], cwd=tmp_path, env=env, log=log))
            (tmp_path / f"{name}.pid").write_text(str(running.pid))

        start("scheduler", "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-show")
        for name in ("a", "b"):
            start(
                name, "worker", address, "--name", name, "--no-nanny", "--nthreads", "1", "--no-dashboard", "--host",
                "127.0.0.1", "--local-directory", str(tmp_path / name),
            )  # fmt: skip
        yield address


def parcel(question: str, **changes: object) -> Parcel:
    values = {
        "files": {"tool/tiny.py": PROGRAM.encode(), "tool/beside.txt": "é".encode()},
        "requirements": "",
        "module": "tiny",
        "question": question,
        "timeout": 60.0,
    }
    return Parcel(**{**values, **changes})  # type: ignore[arg-type]


def test_a_worker_that_dies_in_the_middle_is_anothers_work(scheduler: str, tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    folder.mkdir()
    with contextlib.closing(Cluster(scheduler)) as cluster, ThreadPoolExecutor(1) as pool:
        until(lambda: cluster.workers() == 2)
        answer = pool.submit(cluster.ask, parcel(str(folder)))
        until(lambda: any(folder.glob("started-*")))
        [first] = folder.glob("started-*")
        until(lambda: first.read_text() != "")
        program, worker = int(first.name.partition("-")[2]), int(first.read_text())

        os.kill(worker, signal.SIGKILL)

        until(lambda: len(list(folder.glob("started-*"))) == 2)
        # What it carried out ends with it.
        until(lambda: not families.of(program))
        (folder / "go").touch()
        found = answer.result(60)

    said = json.loads(found.said)
    assert found.status == 0
    assert said["pid"] != program
    assert said["beside"] == "é"
    assert found.complained == ("a complaint",)


@pytest.mark.parametrize("size", [1, 1_000_000])
def test_a_parcel_of_any_size_is_carried_out_by_workers_that_have_none_of_our_modules(
    scheduler: str, tmp_path: Path, size: int
) -> None:
    (tmp_path / "go").touch()
    files = {"tool/tiny.py": PROGRAM.encode(), "tool/beside.txt": b"x" * size}
    with contextlib.closing(Cluster(scheduler)) as cluster:
        until(lambda: cluster.workers() == 2)
        answer = cluster.ask(parcel(str(tmp_path), files=files))
    assert (answer.status, len(json.loads(answer.said)["beside"])) == (0, size)


def test_a_program_that_cannot_be_installed_is_told_with_the_reason(scheduler: str, tmp_path: Path) -> None:
    broken = "no-such-project==1.0 --hash=sha256:" + "0" * 64
    with contextlib.closing(Cluster(scheduler)) as cluster:
        until(lambda: cluster.workers() == 2)
        with pytest.raises(EnvironmentMissing, match="a worker cannot run it") as caught:
            cluster.ask(parcel(str(tmp_path), requirements=broken))
    assert "no-such-project" in str(caught.value)


def test_a_program_that_takes_too_long_is_ended_and_says_so(scheduler: str, tmp_path: Path) -> None:
    with contextlib.closing(Cluster(scheduler)) as cluster:
        until(lambda: cluster.workers() == 2)
        answer = cluster.ask(parcel(str(tmp_path), timeout=1.0))
    assert (answer.status, answer.complained) == (1, ("it did not end within 1 s",))


def test_words_that_are_no_utf_8_are_shown_as_they_can_be(scheduler: str, tmp_path: Path) -> None:
    program = b"import os; os.write(1, b'caf\\xe9'); os.write(2, b'\\xff\\n')"
    with contextlib.closing(Cluster(scheduler)) as cluster:
        until(lambda: cluster.workers() == 2)
        answer = cluster.ask(parcel(str(tmp_path), files={"tool/tiny.py": program}))
    assert (answer.status, answer.said, answer.complained) == (0, "caf\ufffd", ("\ufffd",))


def test_a_scheduler_that_dies_in_the_middle_is_told_and_is_no_bug(scheduler: str, tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    folder.mkdir()
    with contextlib.closing(Cluster(scheduler)) as cluster, ThreadPoolExecutor(1) as pool:
        until(lambda: cluster.workers() == 2)
        answer = pool.submit(cluster.ask, parcel(str(folder)))
        until(lambda: any(folder.glob("started-*")))

        os.killpg(int((tmp_path / "scheduler.pid").read_text()), signal.SIGKILL)

        with pytest.raises(EnvironmentMissing, match=f"the scheduler at {scheduler} has ended"):
            answer.result(60)
        # Nor is it one for who asks afterwards.
        with pytest.raises(EnvironmentMissing, match=f"the scheduler at {scheduler} has ended"):
            cluster.ask(parcel(str(folder)))


def test_a_scheduler_that_does_not_answer_is_named() -> None:
    with pytest.raises(EnvironmentMissing, match=r"no scheduler answers at tcp://127\.0\.0\.1:1"):
        Cluster("tcp://127.0.0.1:1")
