"""A process that has imported what proofs share, and forks for each of them: a fork costs milliseconds, and nothing
that a proof does is seen by the next.

    python proof_server.py KIND HOME

It is run in the environment of the proofs, so it is for Python 3.6 and later, and imports the standard library and what
is there. If the folder in which it starts has a conftest.py with a function `prepare(KIND)`, that is called once. Then,
for each line of JSON on stdin, {"words": words for pytest, "output": path, "timeout": seconds}, there is one on stdout:
{"status": of pytest, "seconds": elapsed, "cpu": seconds of processor}. HOME is as `prepare` left it for every proof.
"""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

# Seconds between two looks at whether a proof has ended; the status of one that took too long, as timeout(1) has it.
_LOOK = 0.005
_KILLED = 124


def main(kind: str, home: str) -> None:
    """Answers until stdin ends."""
    sys.path.insert(0, str(Path.cwd()))
    # What libraries print belongs to the log, which is stderr; stdout is for answers alone.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if Path("conftest.py").is_file():
        import conftest  # type: ignore[import-not-found]  # of the folder in which this starts

        if hasattr(conftest, "prepare"):
            conftest.prepare(kind)
    import pytest

    kept = home + ".kept"
    shutil.copytree(home, kept, symlinks=True)
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        asked = json.loads(line)
        shutil.rmtree(home)
        shutil.copytree(kept, home, symlinks=True)
        answers.write(json.dumps(_proof(pytest, asked)) + "\n")
        answers.flush()


def _proof(pytest: Any, asked: Any) -> Any:
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        _become_proof(pytest, asked)
    until = start + asked["timeout"]
    while True:
        pid, status, used = os.wait4(child, os.WNOHANG)
        if pid or time.monotonic() > until:
            break
        time.sleep(_LOOK)
    # Also what it started and did not end: a server of a proof must not answer the next one.
    for _ in range(2):
        try:
            os.killpg(child, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            break
    if not pid:
        _, status, used = os.wait4(child, 0)
        code = _KILLED
    else:
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
    return {"status": code, "seconds": time.monotonic() - start, "cpu": used.ru_utime + used.ru_stime}


def _become_proof(pytest: Any, asked: Any) -> None:
    """This process is the proof now, and ends with it."""
    code = 3
    try:
        # So that it can be ended together with all that it has started.
        os.setsid()
        output = os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        code = int(pytest.main(asked["words"]))
    # Nothing may get out of here: this process would go on as a second server.
    except BaseException as err:
        sys.stderr.write("%s: %s\n" % (type(err).__name__, err))  # noqa: UP031  the oldest Python reads this, too
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # not sys.exit: what runs when a process ends is the parent's


if __name__ == "__main__":
    main(*sys.argv[1:])
