"""Upstream versions -> the page docs/drafts.md: what `certified new` makes of each, and what of our patches goes there.

    python scripts/drafts.py 2.2.5 2.10.5 > docs/drafts.md

Each version is drafted in a copy of the project, which is thrown away. Takes minutes for each, and the network.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSIONS = (
    "1.10.3", "2.1.4", "2.2.5", "2.3.4", "2.4.3", "2.5.3", "2.6.3", "2.7.3", "2.8.4", "2.9.3", "2.10.5", "2.11.2",
    "3.1.3",
)  # fmt: skip
_PATIENCE = 1200


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("versions", nargs="*", default=VERSIONS)
    versions = parser.parse_args().versions
    print(_HEAD.strip())
    for version in versions:
        print(row(version), flush=True)
        print(f"{version} done", file=sys.stderr)
    return 0


_COLUMNS = (
    "version", "seconds", "wheel", "resolved", "left out", "patches: clean, conflict, not needed",
    "what stands in the way, or is left to decide",
)  # fmt: skip
_HEAD = f"""
# Drafts: what `certified new` makes of other versions

Made by `python scripts/drafts.py`, beside other work on the machine. A draft is no release: a human decides what is
left. *Wheel*: upstream's source, built by us and stamped, passed the wheel diff gate. *Resolved*: the Pythons for
which all extras that stayed have one solution as of a week after the upload; *left out*: extras that had none.
*Patches*: those of all releases, ported without writing: clean (also at an offset, or merged), conflict, not needed
(the source has it, or lacks what it changes).

| {" | ".join(_COLUMNS)} |
|{"---|" * len(_COLUMNS)}
"""


def row(version: str) -> str:
    with tempfile.TemporaryDirectory(prefix="certified-drafts-") as folder:
        project = Path(folder, "project")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(project)], check=True)
        start = time.monotonic()
        status, _, said = run(project, "new", version)
        seconds = time.monotonic() - start
        built = re.search(r"wheel apache-airflow: done .*differs from upstream's wheel in (\d+) files", said)
        wheel = f"yes, {built[1]} files explained" if built else "no"
        made = sorted((project / "constraints" / version).glob("constraints-*[0-9].txt"))
        resolved = ", ".join(path.stem.removeprefix("constraints-") for path in made) or "none"
        draft = project / "patches" / version / "release.toml"
        out = len(re.findall(r"no solution with it as of", draft.read_text())) if draft.is_file() else 0
        decisions = said.partition("what a human still has to decide:\n")[2] or said
        words = [re.sub(r"^- (patches/\S+: )?", "", line) for line in decisions.splitlines() if line.startswith("- ")]
        # Of what is left out there is a column, and the draft has the list.
        words = [shortened(word.replace(f"{project}/", "")) for word in words if " is left out: " not in word]
        # A refusal has no decisions, and says why itself.
        words = words or [shortened(line) for line in said.splitlines() if line.startswith("certified: ")]
        why = "; ".join(words)
        return (
            f"| {version} | {seconds:.0f} | {wheel} | {resolved} | {out or ''} | {ported(project, version)} |"
            f" {'' if status == 0 else 'does not build yet: '}{why} |"
        )


def ported(project: Path, version: str) -> str:
    if not (project / "patches" / version / "series").is_file():
        return ""
    _, out, _ = run(project, "patch", "port", "--all", "--to", version, "--dry-run", "--json")
    try:
        fates = Counter(item["fate"] for item in json.loads(out))
    except ValueError:
        return "not tried"
    clean = fates["clean"] + fates["offset"] + fates["merged"]
    return f"{clean}, {fates['conflict']}, {fates['not needed'] + fates['not applicable']}"


def run(project: Path, *words: str) -> tuple[int, str, str]:
    argv = [sys.executable, "-m", "astronomer_certified.commands.main", "-C", str(project), *words]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        return 1, "", f"certified: not done within {_PATIENCE} s"
    return done.returncode, done.stdout, done.stderr


def shortened(text: str) -> str:
    text = text.replace("|", "/").removeprefix("certified: ")
    return text if len(text) <= 160 else f"{text[:157]}…"


if __name__ == "__main__":
    sys.exit(main())
