"""The `certified` command: argv -> one operation -> what it made. The only place with exit codes.

stdout carries the product (a table, a path, or JSON), stderr progress and errors. 0: done; 1: a clear refusal;
2: wrong usage; 3: a bug of the tool; 130, 143, 129: ended by Ctrl-C, SIGTERM or the terminal's end (SIGHUP), after all
that ran in its name was ended; 141: whoever reads stdout has enough, as `head` has (SIGPIPE).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence

from astronomer_certified.effects.disk import as_workspace_error
from astronomer_certified.errors import CertifiedError, UsageError
from astronomer_certified.steps.progress import watcher

from . import audit, certify, image, index, patch, questions, release, streams


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status."""
    streams.prepare()
    try:
        status = _status(argv)
    except SystemExit:  # argparse has shown a help, or what is wrong with the words
        if (refused := streams.refusal()) is None:
            raise
        return _refused(refused)
    # Only a flush tells whether stdout took all of it. A status that is not 0 has its own message already.
    refused = streams.refusal()
    return _refused(refused) if refused is not None and status == 0 else status


def _status(argv: Sequence[str] | None) -> int:
    args = parser().parse_args(argv)
    progress = watcher(quiet=getattr(args, "quiet", False))
    got: list[int] = []
    try:
        with _interrupted_by_signals(got), warnings.catch_warnings():
            # Warnings of build backends and libraries are for their authors; the logs have them.
            warnings.simplefilter("default" if sys.warnoptions else "ignore")
            status: int = args.act(args, progress)
    except (CertifiedError, OSError) as err:
        progress.close()
        return _refused(err)
    except KeyboardInterrupt:
        progress.close()
        print("certified: interrupted; run it again, it goes on where it stopped", file=sys.stderr)
        return 128 + (got[0] if got else signal.SIGINT)
    except Exception:
        progress.close()
        return _bug()
    progress.close()
    return status


@contextlib.contextmanager
def _interrupted_by_signals(got: list[int]) -> Iterator[None]:
    """In this block SIGTERM and SIGHUP interrupt as Ctrl-C does, and their numbers are added to `got`.

    By default they end Python without a word, and what was started and locked is left to itself. A signal that the
    caller ignores (nohup) stays ignored; what runs in the block may take them for itself, as servers do.
    """

    def interrupt(number: int, _frame: object) -> None:
        got.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can say what signals do
        return
    taken = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _refused(err: CertifiedError | OSError) -> int:
    """The status after the message; 141, and no word, when nobody reads stdout any more."""
    # Another pipe that broke, such as that of a program of ours, is an error like any.
    if isinstance(err, BrokenPipeError) and err is streams.refusal():
        return 141
    print(f"certified: {as_workspace_error(err) if isinstance(err, OSError) else err}", file=sys.stderr)
    return 2 if isinstance(err, UsageError) else 1


def _bug() -> int:
    """Not raised on purpose: the traceback goes to a file that can be sent to us."""
    import tempfile
    import traceback

    handle, name = tempfile.mkstemp(prefix="certified-", suffix=".log")
    # Arguments may hold bytes that are no UTF-8.
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as log:
        log.write(f"argv: {sys.argv}\npython: {sys.version}\n\n{traceback.format_exc()}")
    traceback.print_exc()
    print(f"certified: this is a bug of the tool, not of your input; please report it with {name}", file=sys.stderr)
    return 3


def parser() -> argparse.ArgumentParser:
    """The whole command line. Also what shell completions and the checks of docs/ are made from."""
    top = argparse.ArgumentParser(prog="certified", description="The factory of Astronomer Certified.")
    top.add_argument("--version", action=questions.Version, help="print the version of the factory and exit")
    text = "print the completions for a shell and exit"
    top.add_argument("--print-completion", action=questions.Completion, help=text)
    top.add_argument("-C", dest="directory", default=".", metavar="DIR", help="the project folder (default: here)")
    verbs = top.add_subparsers(title="verbs", metavar="VERB", required=True)
    release.add_to(verbs)
    certify.add_to(verbs)
    audit.add_to(verbs)
    patch.add_to(verbs)
    index.add_to(verbs)
    image.add_to(verbs)
    return top


if __name__ == "__main__":
    sys.exit(main())
