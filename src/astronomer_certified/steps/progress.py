"""How the work goes on, for people: a live view on a terminal, plain lines elsewhere, or nothing. Writes to stderr."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.status import Status

    from .runner import Step, Watcher


class Quiet:
    """Says nothing; failures are reported by who raises them."""

    def planned(self, steps: Sequence[Step]) -> None:
        """These steps will be done, or found up to date."""

    def started(self, name: str, why: str) -> None:
        """A step begins."""

    def progress(self, name: str, detail: str) -> None:
        """A step goes on."""

    def finished(self, name: str, seconds: float, note: str) -> None:
        """A step is done."""

    def up_to_date(self, name: str) -> None:
        """A step has nothing to do."""

    def failed(self, name: str, error: BaseException) -> None:
        """A step ended with an error."""

    def close(self) -> None:
        """Nothing more will come."""


class Prefixed(Quiet):
    """Passes everything on under a name: of one release among several."""

    def __init__(self, watcher: Watcher, name: str) -> None:
        self._watcher = watcher
        self._name = name

    def started(self, name: str, why: str) -> None:
        """Passed on."""
        self._watcher.started(f"{self._name} {name}", why)

    def progress(self, name: str, detail: str) -> None:
        """Passed on."""
        self._watcher.progress(f"{self._name} {name}", detail)

    def finished(self, name: str, seconds: float, note: str) -> None:
        """Passed on."""
        self._watcher.finished(f"{self._name} {name}", seconds, note)

    def up_to_date(self, name: str) -> None:
        """Passed on."""
        self._watcher.up_to_date(f"{self._name} {name}")

    def failed(self, name: str, error: BaseException) -> None:
        """Passed on."""
        self._watcher.failed(f"{self._name} {name}", error)


class Recorder(Prefixed):
    """As `Prefixed`, and remembers what it was told.

    `steps` are those that were planned, by name; `seconds` what each took, None when there was nothing to do.
    """

    def __init__(self, watcher: Watcher, name: str) -> None:
        super().__init__(watcher, name)
        self.steps: dict[str, Step] = {}
        self.seconds: dict[str, float | None] = {}
        self.first_failed: str | None = None

    def planned(self, steps: Sequence[Step]) -> None:
        """The steps are remembered."""
        self.steps = {step.name: step for step in steps}

    def finished(self, name: str, seconds: float, note: str) -> None:
        """Passed on, and its seconds remembered."""
        super().finished(name, seconds, note)
        self.seconds[name] = seconds

    def up_to_date(self, name: str) -> None:
        """Passed on, and remembered as done before."""
        super().up_to_date(name)
        self.seconds[name] = None

    def failed(self, name: str, error: BaseException) -> None:
        """Passed on; the first is remembered."""
        super().failed(name, error)
        # Steps that are under way when one fails may fail as well, but it is the first that ends the release.
        self.first_failed = self.first_failed or name


class Lines(Quiet):
    """One line for each event, with the seconds since the start."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        # Steps run in threads; their lines must not mix.
        self._lock = threading.Lock()
        self._start = time.monotonic()
        self._fresh = 0
        self._done = 0

    def _line(self, text: str) -> None:
        with self._lock:
            print(f"[{time.monotonic() - self._start:6.1f}s] {text}", file=self._stream, flush=True)

    def started(self, name: str, why: str) -> None:
        """A line with the reason."""
        self._done += 1
        self._line(f"{name}: {why}")

    def progress(self, name: str, detail: str) -> None:
        """A line with the detail."""
        self._line(f"{name}: {detail}")

    def finished(self, name: str, seconds: float, note: str) -> None:
        """A line with seconds and note."""
        self._line(f"{name}: done in {seconds:.1f} s{f' - {note}' if note else ''}")

    def up_to_date(self, name: str) -> None:
        """Counted, for the last line."""
        self._fresh += 1

    def close(self) -> None:
        """One last line, when there was nothing to do."""
        # Verbs close it before they print their result, and `main` closes it again: the second time says nothing.
        if self._fresh and not self._done:
            print(f"up to date: none of {self._fresh} steps had anything to do", file=self._stream, flush=True)
        self._fresh = 0

    def failed(self, name: str, error: BaseException) -> None:
        """A line with the first line of the error."""
        # Whoever catches the error shows all of it.
        self._line(f"{name}: failed: {str(error).splitlines()[0] if str(error) else type(error).__name__}")


class Live(Lines):
    """As `Lines`, with a last line that shows what is running now."""

    def __init__(self) -> None:
        super().__init__()
        self._running: dict[str, str] = {}
        self._status: Status | None = None

    def _now(self, name: str, detail: str | None) -> None:
        """A step is doing that, or nothing any more."""
        from rich.console import Console  # here: an up-to-date release ends before anything has to be shown

        with self._lock:
            self._running.pop(name, None) if detail is None else self._running.update({name: detail})
            if self._status is None:
                # Not every encoding has the signs of the dots.
                dots = (sys.stderr.encoding or "").lower().startswith("utf")
                self._status = Console(stderr=True).status("", spinner="dots" if dots else "line")
                self._status.start()
            self._status.update(" | ".join(f"{name} {detail}".strip() for name, detail in self._running.items()))

    def _line(self, text: str) -> None:
        with self._lock:
            shown = f"[{time.monotonic() - self._start:6.1f}s] {text}"
            if self._status is not None:
                # The text is not ours: brackets in it are no markup. Where a line breaks is the terminal's business.
                self._status.console.print(shown, markup=False, highlight=False, soft_wrap=True)
            else:
                print(shown, file=self._stream, flush=True)

    def started(self, name: str, why: str) -> None:
        """A line, and it is among what runs now."""
        super().started(name, why)
        self._now(name, "")

    def progress(self, name: str, detail: str) -> None:
        """Shown beside its name."""
        self._now(name, detail)

    def finished(self, name: str, seconds: float, note: str) -> None:
        """A line, and it runs no more."""
        super().finished(name, seconds, note)
        self._now(name, None)

    def failed(self, name: str, error: BaseException) -> None:
        """A line, and it runs no more."""
        super().failed(name, error)
        self._now(name, None)

    def close(self) -> None:
        """The last line is gone."""
        super().close()
        if self._status is not None:
            self._status.stop()


def watcher(*, quiet: bool) -> Quiet:
    """The right one for this stderr."""
    if quiet:
        return Quiet()
    return Live() if sys.stderr.isatty() else Lines()
