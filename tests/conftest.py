"""What holds for every test: nothing of it is left in memory, and whoever runs it is told how to run all of them."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from astronomer_certified.effects.disk import memory_folder

_LACKING = "no {} on this machine"
_LACKED = re.compile(r"no (\S+) on this machine$")


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_in_memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests have made in memory for folders of theirs is gone; what others have there is not looked at."""
    yield
    if next(Path("/dev/shm").glob(f"astronomer-certified-{os.getuid()}-*"), None) is None:
        return
    folders = [Path(folder) for folder, _, _ in os.walk(tmp_path_factory.getbasetemp())]
    rooms = [(memory_folder(folder), folder) for folder in folders]
    assert {room: folder for room, folder in rooms if room != folder and room.exists()} == {}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Twice as many tests at once as there are cores, as a test often waits for a server, a child or a lock; but not
    more than four, which wait for the disk."""
    return min(4, 2 * (os.cpu_count() or 1))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that is marked `needs` is skipped where one of the programs is not there.

    Those that wait for the network come first: the last ones to end should be short.
    """
    items.sort(key=lambda item: item.get_closest_marker("network") is None)
    for item in items:
        for program in (program for mark in item.iter_markers("needs") for program in mark.args):
            # Servers lie where only root's PATH leads.
            if shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin") is None:
                item.add_marker(pytest.mark.skip(reason=_LACKING.format(program)))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """The last word, where programs were missing, is which, and how to get them."""
    yield
    reasons = (str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", ()))
    missing = Counter(found[1] for reason in reasons if (found := _LACKED.search(reason)))
    if missing:
        counts = ", ".join(f"{count} for want of {program}" for program, count in sorted(missing.items()))
        terminalreporter.write_line(f"skipped: {counts}; `make system-packages` installs it (Debian, as root)")
