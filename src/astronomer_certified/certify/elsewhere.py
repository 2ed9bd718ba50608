"""A trial on another machine: what is sent there, and the program that carries it out there.

`python -m astronomer_certified.certify.elsewhere` reads a trial as JSON from standard input, beside it the wheel of
upstream, and writes as JSON what was seen, or why nothing was. Whoever sends it is `carry_out`.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from astronomer_certified.effects import disk
from astronomer_certified.effects.cluster import Answer, Cluster, Parcel
from astronomer_certified.errors import CertifiedError, EnvironmentMissing, InstallError, ManifestError

from . import trial
from .trial import Places, Trial, Tried

_PACKAGE = Path(__file__).parents[1]
# What the modules of a trial import of others; what those need is found.
_NEEDED = ("packaging", "pypi-simple", "requests", "uv")
_TIMEOUT = 3600.0


def carry_out(cluster: Cluster, wanted: Trial, upstream_wheel: Path, requirements: Path) -> Tried:
    """What a trial sees on one of the machines of a cluster; `requirements` are hashed pins of what the tool needs.

    Raises `InstallError` as `trial.carry_out` does, and `EnvironmentMissing` for what that machine has not.
    """
    files = {
        f"tool/{_PACKAGE.name}/{path.relative_to(_PACKAGE).as_posix()}": path.read_bytes()
        for path in sorted(_PACKAGE.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    files[f"tool/{upstream_wheel.name}"] = upstream_wheel.read_bytes()
    question = {"trial": trial.to_json(wanted), "upstream_wheel": upstream_wheel.name}
    parcel = Parcel(
        files=files, requirements=_pins(requirements), module=__name__, question=json.dumps(question), timeout=_TIMEOUT
    )
    answer = cluster.ask(parcel)
    tried = _tried(answer)
    if wrong := trial.not_as_asked(wanted, tried):
        raise InstallError(
            f"{answer.machine} answers another question: level {wanted.level} of {wanted.target}", details=wrong,
            hint="leave that machine out, and certify again",
        )  # fmt: skip
    return tried


def _tried(answer: Answer) -> Tried:
    """What a machine says that it saw. Raises `InstallError` and `EnvironmentMissing` for what it says went wrong."""
    try:
        # The program ends with 0 whatever it says, so that what else ended is no answer, whatever was printed before.
        values = json.loads(answer.said.splitlines()[-1]) if answer.status == 0 else {}
        if "tried" in values:
            return trial.tried_from_json(values["tried"])
        error, kind = values["error"], values["kind"]
        what, details, hint = error["what"], tuple(map(str, error["details"])), error["hint"]
    except (IndexError, ValueError, KeyError, TypeError, RecursionError) as err:
        raise InstallError(
            f"no answer came from {answer.machine}", details=(f"status {answer.status}", *answer.complained[-15:])
        ) from err
    raised = EnvironmentMissing if kind == EnvironmentMissing.__name__ else InstallError
    raise raised(f"{what} (on {answer.machine})", details=details, hint=hint)


def _pins(requirements: Path) -> str:
    """The hashed pins of what a trial needs, as a requirements file. Raises `ManifestError` where one has none."""
    try:
        entries = re.split(r"^(?=[\w.-]+==)", requirements.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    except FileNotFoundError as err:
        raise ManifestError(f"{requirements} is not there: its pins are what other machines install") from err
    known = {canonicalize_name(entry.partition("==")[0]): entry for entry in entries}
    wanted: set[NormalizedName] = set()
    ahead = list(_NEEDED)
    while ahead:
        name = canonicalize_name(ahead.pop())
        # What this Python on this system does not need, its pins do not have for others either.
        if name in known and name not in wanted:
            wanted.add(name)
            needs = map(Requirement, importlib.metadata.requires(name) or ())
            ahead += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    if missing := [name for name in _NEEDED if name not in wanted]:
        raise ManifestError(f"{requirements} has no pin of {', '.join(missing)}", hint="make lock")
    return "".join(known[name] for name in sorted(wanted))


def main() -> None:
    """One answer on standard output, also for a trial that fails."""
    question: dict[str, Any] = json.load(sys.stdin)
    wheel = Path(sys.path[0]) / question["upstream_wheel"]
    # A folder that everybody may enter: PostgreSQL does not run as root.
    with disk.folder_in_use("certified-trial-") as folder:
        places = Places(
            folder=folder / "environments",
            logs=folder / "logs",
            progress=lambda check, seconds: print(f"{check} ({seconds:.1f} s)", file=sys.stderr, flush=True),
        )
        places.folder.mkdir()
        try:
            tried = trial.carry_out(trial.from_json(question["trial"]), wheel, places)
        except CertifiedError as err:
            told = {"what": err.what, "details": list(err.details), "hint": err.hint}
            print(json.dumps({"error": told, "kind": type(err).__name__}))
        else:
            print(json.dumps({"tried": trial.tried_to_json(tried)}))


if __name__ == "__main__":
    main()
