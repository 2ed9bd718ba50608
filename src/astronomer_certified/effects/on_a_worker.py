"""What a worker of a cluster does with a parcel. Sent there as it is: a worker has no module of ours."""

from __future__ import annotations

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile


def carry_out(
    files: dict[str, bytes], requirements: str, module: str, question: str, timeout: float
) -> tuple[str, int, str, str]:
    """On the worker, with nothing but its Python: the machine's name, exit status, standard output and error."""
    uv = shutil.which("uv")
    if uv is None:
        try:
            from uv import find_uv_bin
        except ImportError as err:
            raise RuntimeError(f"there is no uv on {socket.gethostname()}") from err
        uv = find_uv_bin()
    # It ends with this worker, however that ends.
    tied = (
        "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGTERM)\n"
        "if os.getppid() == int(sys.argv[1]): os.execvp(sys.argv[2], sys.argv[2:])"
    )
    with tempfile.TemporaryDirectory(prefix="certified-parcel-") as name:
        folder = pathlib.Path(name)
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        (folder / "requirements.txt").write_text(requirements, encoding="utf-8")
        python = folder / "environment" / "bin" / "python"
        made = [uv, "venv", "--quiet", "--no-project", "--python", ">=3.11", str(python.parents[1])]
        install = [uv, "pip", "install", "--quiet", "--require-hashes", "--python", str(python)]
        for words in (made, [*install, "--requirement", str(folder / "requirements.txt")])[: 2 if requirements else 1]:
            done = subprocess.run(words, capture_output=True, encoding="utf-8", errors="replace", check=False)
            if done.returncode != 0:
                raise RuntimeError(f"{' '.join(words)} on {socket.gethostname()}:\n{done.stderr}")
        words = [sys.executable, "-I", "-c", tied, str(os.getpid()), str(python), "-m", module]
        environment = {**os.environ, "PYTHONPATH": str(folder / "tool")}
        try:
            done = subprocess.run(
                words, cwd=folder / "tool", env=environment, input=question, capture_output=True, encoding="utf-8",
                errors="replace", timeout=timeout, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return socket.gethostname(), 1, "", f"it did not end within {timeout:g} s"
    return socket.gethostname(), done.returncode, done.stdout, done.stderr
