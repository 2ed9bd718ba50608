"""Measures the patch workbench against its peers, for docs/benchmarks.md. `make bench` runs it.

A series of 60 patches on the source of 2.1.0. A checkout makes a work tree and applies the series; `gbp pq import`
and `quilt push -a` begin with a work tree: they are shown alone, and with what makes one (git clone, tar).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import CERTIFIED, ROOT, interleaved, measured, project_copy
from packaging.version import Version

from astronomer_certified.formats import archives
from astronomer_certified.project import manifest
from astronomer_certified.source import fetch
from astronomer_certified.workspace import Workspace

PATCHES = 60
OUT = "certified patch checkout"
IN = "certified patch export, every commit anew"
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Bench"), ("EMAIL", "bench@example.invalid"))
}
_HEADER = """\
Description: Patch number {number}
 It adds a line.
Author: Bench <bench@example.invalid>
Origin: vendor
Bug: apache/airflow#{number}
Last-Update: 2026-11-22
Proof: none: a benchmark
---
"""


def series(top: Path, folder: Path) -> list[str]:
    """Sixty patches of a line each, one for each of sixty modules; their names."""
    modules = [path for path in sorted((top / "airflow").rglob("*.py")) if len(path.read_bytes().splitlines()) > 40]
    names = []
    for number, module in enumerate(modules[:PATCHES], start=1):
        inner, lines = module.relative_to(top).as_posix(), module.read_text().splitlines(keepends=True)
        diff = [f"diff --git a/{inner} b/{inner}\n--- a/{inner}\n+++ b/{inner}\n@@ -27,6 +27,7 @@\n"]
        diff += [f" {line}" for line in lines[26:29]] + ["+# one more line\n"] + [f" {line}" for line in lines[29:32]]
        names.append(f"{number:04}-patch-number-{number}.patch")
        (folder / names[-1]).write_text(_HEADER.format(number=number) + "".join(diff))
    (folder / "series").write_text("".join(f"{name}\n" for name in names))
    return names


def git(folder: Path, *words: str) -> None:
    env = {**os.environ, **IDENTITY}
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, env=env)


def main() -> None:
    """The table, on stdout."""
    for program in ("quilt", "gbp"):
        if shutil.which(program) is None:
            sys.exit(f"the benchmark's peers are not here: apt-get install quilt git-buildpackage (no {program})")
    item = manifest.load(Workspace.at(ROOT), Version("2.1.0")).core
    # In memory: a thousand files are written in each turn, and a disk that others use decides who wins.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="bench-", dir=memory) as name:
        folder = Path(name)
        archive = fetch.fetch(item.source, Workspace.at(ROOT)).path
        top = archives.unpack_sdist(archive, folder)
        project = project_copy(folder / "project")
        queue = project / "patches" / "2.1.0"
        for old in queue.glob("*.patch"):
            old.unlink()
        series(top, queue)
        run(folder, top, project, archive)


def run(folder: Path, top: Path, project: Path, archive: Path) -> None:
    """Every contestant in turn."""
    queue = project / "patches" / "2.1.0"
    debian = top / "debian"
    (debian / "patches").mkdir(parents=True)
    (debian / "source").mkdir()
    (debian / "source" / "format").write_text("3.0 (quilt)\n")
    (debian / "control").write_text("Source: airflow\nMaintainer: Bench <bench@example.invalid>\n\nPackage: airflow\n")
    entry = "airflow (2.1.0-1) unstable; urgency=low\n\n  * Bench.\n\n"
    entry += " -- Bench <bench@example.invalid>  Sun, 22 Nov 2026 00:00:00 +0000\n"
    (debian / "changelog").write_text(entry)
    for path in (*queue.glob("*.patch"), queue / "series"):
        shutil.copy(path, debian / "patches")
    git(top, "init", "--quiet", "--initial-branch=master")
    git(top, "add", "--all", "--force")
    git(top, "commit", "--quiet", "-m", "upstream")
    words = [*CERTIFIED, "-C", project, "patch"]
    checkout, peer, tree = folder / "checkout", folder / "peer", folder / "tree"

    def ours_out() -> tuple[float, float]:
        shutil.rmtree(checkout, ignore_errors=True)
        return measured([*words, "checkout", "2.1.0", checkout], folder)

    def ours_in() -> tuple[float, float]:
        return measured([*words, "export", checkout], folder)

    def ours_anew() -> tuple[float, float]:
        git(checkout, "rebase", "--quiet", "--force-rebase", "upstream")
        return measured([*words, "export", checkout], folder)

    def peer_tree() -> tuple[float, float]:
        shutil.rmtree(peer, ignore_errors=True)
        return measured(["git", "clone", "--quiet", "--no-local", top, peer], folder, **IDENTITY)

    def gbp_out() -> tuple[float, float]:
        return measured(["gbp", "pq", "import"], peer, **IDENTITY)

    def gbp_in() -> tuple[float, float]:
        return measured(["gbp", "pq", "export"], peer, **IDENTITY)

    def unpacked() -> tuple[float, float]:
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir()
        return measured(["tar", "xf", archive, "--strip-components=1"], tree)

    def quilt() -> tuple[float, float]:
        return measured(["quilt", "--quiltrc=/dev/null", "push", "-a", "-q", "--fuzz=0"], tree,
                        QUILT_PATCHES=str(queue))  # fmt: skip

    ours_out()  # so that the source is in the cache as a commit
    show(
        interleaved(
            {
                OUT: ours_out,
                "certified patch export, nothing changed": ours_in,
                IN: ours_anew,
                "git clone": peer_tree,
                "gbp pq import": gbp_out,
                "gbp pq export": gbp_in,
                "tar": unpacked,
                "quilt push -a": quilt,
            }
        )
    )


def show(result: dict[str, tuple[float, float]]) -> None:
    """The table, with ratios to ours."""
    whole = {
        "git clone and gbp pq import": ("git clone", "gbp pq import"),
        "tar and quilt push -a": ("tar", "quilt push -a"),
    }
    for title, parts in whole.items():
        result[title] = (sum(result[part][0] for part in parts), sum(result[part][1] for part in parts))
    print(f"\n### A series of {PATCHES} patches in git and back\n")
    print("| command | wall s | CPU s | wall, theirs : ours | CPU, theirs : ours |\n|---|---|---|---|---|")
    for name, (wall, cpu) in result.items():
        ours = result[IN if "export" in name else OUT]
        ratios = f"{wall / ours[0]:.1f} | {cpu / ours[1]:.1f}" if not name.startswith("certified") else "|"
        print(f"| {name} | {wall:.2f} | {cpu:.2f} | {ratios} |")


if __name__ == "__main__":
    main()
