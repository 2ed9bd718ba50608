"""Virtual environments, made by uv from hashed requirements: fast, and nothing in them that was not asked for."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from astronomer_certified.artifacts import Interpreter, Wheel
from astronomer_certified.effects import disk
from astronomer_certified.effects.processes import clean_environment, run
from astronomer_certified.errors import CommandFailed, UpstreamError
from astronomer_certified.source.index_client import INDEX_VARIABLE, index_url, shown_url

from .interpreters import uv

# What uv and its libraries print when an index cannot be reached: its exit status does not tell that from the rest.
_NETWORK_SIGNS = ("error sending request", "dns error", "Failed to fetch", "tcp connect error", "Connection refused")


def python_of(environment: Path) -> Path:
    """The interpreter of a virtual environment."""
    return environment / "bin" / "python"


def create(environment: Path, interpreter: Interpreter) -> None:
    """An empty virtual environment of that interpreter, without pip, is at `environment`. Raises `CommandFailed`."""
    # Without both options, a uv.toml or pyproject.toml in a folder above would have its say.
    run([uv(), "venv", "--no-config", "--no-project", "--quiet", "--python", interpreter.executable, environment])


def of_a_user(environment: Path, home: Path, pip_cache: Path) -> dict[str, str]:
    """The process environment of someone who uses a virtual environment and has an empty home folder.

    Machine-wide settings of pip and uv stay outside: nobody else has them.
    """
    env = clean_environment(
        HOME=str(home),
        AIRFLOW_HOME=str(home / "airflow"),
        # The checks run an example.
        AIRFLOW__CORE__LOAD_EXAMPLES="True",
        AIRFLOW__CORE__UNIT_TEST_MODE="False",
        PIP_CACHE_DIR=str(pip_cache),
        PIP_NO_INPUT="1",
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        # The index runs on this machine, where an operator's proxy does not lead.
        NO_PROXY="127.0.0.1,localhost",
        no_proxy="127.0.0.1,localhost",
    )
    env["PATH"] = f"{environment / 'bin'}:{env.get('PATH', '')}"
    return env


def install(environment: Path, requirements: Sequence[Path], *, wheels: Sequence[Wheel] = ()) -> None:
    """Exactly the pins of hashed requirements files are installed, wheels only, without dependencies of their own;
    `wheels` are files of ours that take the place of what the files say of the same project.

    Raises `UpstreamError` when the index does not answer, `CommandFailed` otherwise.
    """
    words: list[str | Path] = [
        uv(), "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:",
        "--python", python_of(environment),
    ]  # fmt: skip
    if requirements:
        hashed: list[str | Path] = [*words, "--require-hashes"]
        for file in requirements:
            hashed += ["--requirement", file]
        # Every file is checked by its hash, so what uv has in its cache will do; only else is the index asked.
        try:
            uv_call([*hashed, "--offline"])
        except (CommandFailed, UpstreamError):
            uv_call(hashed)
    if wheels:
        # Our own files were hashed when they were made; uv keys its cache by path and time, so no stale copy is used.
        uv_call([*words, "--offline", *(wheel.path for wheel in wheels)])


def uv_call(words: Sequence[str | Path], *, cwd: Path | None = None) -> str:
    """stdout of a uv command, which sees no settings but ours.

    A network that does not answer is an `UpstreamError` that says so.
    """
    with _settings() as variables:
        return _answered(words, cwd, clean_environment(**variables))


@contextlib.contextmanager
def _settings() -> Iterator[dict[str, str]]:
    """uv's variables that keep a user's settings out and name the index, offline too: its cache is kept by index."""
    # In a folder of ours alone, not in argv: an index's address may hold a password. Many mirrors do not say how
    # long a file may be kept; uv would fetch each sdist anew, and ask it for its metadata anew, in every resolution.
    # A file never changes under its address, here or anywhere. TOML's basic strings are JSON's.
    with disk.folder_in_use("certified-uv-") as folder:
        file = folder / "uv.toml"
        file.touch(mode=0o600)
        file.write_text(
            f"[[index]]\nurl = {json.dumps(index_url())}\ndefault = true\n"
            'cache-control = { files = "max-age=31536000, immutable" }\n',
            encoding="utf-8",
        )
        yield {"UV_CONFIG_FILE": str(file)}


def _answered(words: Sequence[str | Path], cwd: Path | None, env: Mapping[str, str]) -> str:
    try:
        return run(words, cwd=cwd, env=env).stdout
    except CommandFailed as err:
        if any(sign in line for line in err.details for sign in _NETWORK_SIGNS):
            raise UpstreamError(
                f"the upstream index does not answer: {shown_url()}",
                # All but the command, which comes first.
                details=err.details[1:],
                hint=f"check the network, or name another index in {INDEX_VARIABLE}; what is cached needs no network",
            ) from err
        raise
