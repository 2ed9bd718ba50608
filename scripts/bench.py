"""Measures the factory against its peers and prints the table of docs/benchmarks.md. `make bench` runs it.

Every figure is the wall clock and the CPU (user + system, children included) of one process tree; each command is run
three times, interleaved with its peers, and the median is shown. Caches of downloads are warm for everybody.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from packaging.version import Version

from astronomer_certified.artifacts import Distribution, Python
from astronomer_certified.effects.processes import clean_environment
from astronomer_certified.formats import archives
from astronomer_certified.patches import application, series
from astronomer_certified.project import manifest
from astronomer_certified.pythons import environments, interpreters
from astronomer_certified.source import fetch
from astronomer_certified.source.index_client import index_url
from astronomer_certified.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
RUNS = 3
SERIES = 30
CERTIFIED = [sys.executable, "-m", "astronomer_certified.commands.main"]


def measured(words: list[str | Path], cwd: Path, **env: str) -> tuple[float, float]:
    """Wall and CPU seconds of a command, which must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    done = subprocess.run(words, cwd=cwd, env=clean_environment(**env), capture_output=True, text=True, check=False)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{words} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def interleaved(contestants: dict[str, Callable[[], tuple[float, float]]]) -> dict[str, tuple[float, float]]:
    """Median wall and CPU seconds of each contestant."""
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for _ in range(RUNS):
        for name, run in contestants.items():
            seen[name].append(run())
    return {name: tuple(statistics.median(column) for column in zip(*rows, strict=True)) for name, rows in seen.items()}  # type: ignore[misc]


def show(title: str, result: dict[str, tuple[float, float]]) -> None:
    """One table, with the ratio to the first row, which is ours."""
    ours = next(iter(result.values()))
    print(f"\n### {title}\n\n| command | wall s | CPU s | CPU, ours : theirs |\n|---|---|---|---|")
    for name, (wall, cpu) in result.items():
        print(f"| {name} | {wall:.2f} | {cpu:.2f} | {ours[1] / cpu:.2f} |")


def project_copy(folder: Path) -> Path:
    """What humans wrote, without what was made."""
    for name in ("patches", "constraints"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


def core_wheel(folder: Path, item: Distribution, workspace: Workspace) -> None:
    """A cold core wheel against `python -m build` and fromager, from the same sdist with the same patches."""
    project = project_copy(folder / "project")
    source = fetch.fetch(item.source, workspace).path
    patches = series.read(item.folder)
    tree = application.apply(item, fetch.fetch(item.source, workspace), patches, folder / "tree").path
    builder = interpreters.require(Python(3, 12), "the benchmark's peers")
    peers = folder / "peers"
    environments.create(peers, builder)
    uv: list[str | Path] = [
        interpreters.uv(),
        "pip",
        "install",
        "--no-config",
        "--quiet",
        "--python",
        peers / "bin" / "python",
    ]
    subprocess.run([*uv, "--default-index", index_url(), "fromager", "build"], check=True)
    python = peers / "bin" / "python"
    overrides = folder / "overrides" / "patches" / "apache_airflow-2.1.0"
    overrides.mkdir(parents=True)
    for patch in patches:
        shutil.copy(item.folder / patch.name, overrides)
    path = f"{peers / 'bin'}:{Path(interpreters.uv()).parent}:{os.environ['PATH']}"

    def certified() -> tuple[float, float]:
        for name in ("build", "dist"):
            shutil.rmtree(project / name, ignore_errors=True)
        return measured([*CERTIFIED, "-C", project, "build", str(item.release.upstream), "--quiet"], folder)

    def pypa_build() -> tuple[float, float]:
        work = folder / "pypa"
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(tree, work)
        return measured([python, "-m", "build", "--wheel", "--outdir", work / "out", work], folder, PATH=path)

    def fromager() -> tuple[float, float]:
        work = folder / "fromager"
        # Its cache of downloads stays, as ours does.
        for left in ("work-dir", "wheels-repo"):
            shutil.rmtree(work / left, ignore_errors=True)
        work.mkdir(exist_ok=True)
        words: list[str | Path] = [
            peers / "bin" / "fromager", "-O", work, "-p", overrides.parent, "--sdists-repo", work / "sdists-repo",
            "build", "--wheel-server-url", index_url(), "apache-airflow", str(item.release.upstream), index_url(),
        ]  # fmt: skip
        return measured(words, folder, PATH=path)

    fromager()  # so that its downloads are warm
    print(f"source: {source.name}, {len(patches)} patches")
    show(
        "Cold core wheel of 2.1.0 (ours also makes the repaired provider, the certified wheel and the wheel diff gate)",
        interleaved({"certified build 2.1.0": certified, "python -m build -w": pypa_build, "fromager build": fromager}),
    )


def thirty_patches(folder: Path, item: Distribution, workspace: Workspace) -> None:
    """A series of 30 one-line patches over 30 files against `quilt push -a`."""
    if shutil.which("quilt") is None:
        print("\n(no quilt on this machine: apt-get install quilt)")
        return
    source = fetch.fetch(item.source, workspace).path
    (folder / "clean").mkdir()
    top = archives.unpack_sdist(source, folder / "clean")
    queue = folder / "series"
    queue.mkdir()
    modules = sorted(path for path in (top / "airflow").rglob("*.py") if len(path.read_bytes().splitlines()) > 40)[
        :SERIES
    ]
    for number, module in enumerate(modules):
        inner = module.relative_to(top).as_posix()
        lines = module.read_text().splitlines(keepends=True)
        diff = [f"--- a/{inner}\n", f"+++ b/{inner}\n", "@@ -27,6 +27,7 @@\n", *(f" {line}" for line in lines[26:29])]
        diff += ["+# one more line\n", *(f" {line}" for line in lines[29:32])]
        head = "Description: x\nAuthor: x\nOrigin: x\nBug: x\nLast-Update: 2026-11-22\nProof: none: benchmark\n---\n"
        (queue / f"{number:04}.patch").write_text(head + "".join(diff))
    (queue / "series").write_text("".join(f"{number:04}.patch\n" for number in range(len(modules))))
    script = "import sys; from pathlib import Path; from astronomer_certified import series\n"
    script += "application.apply_to_folder(Path(sys.argv[1]), series.read(Path(sys.argv[2])), against='the tree')"

    def fresh() -> Path:
        work = folder / "tree30"
        shutil.rmtree(work, ignore_errors=True)
        return Path(shutil.copytree(top, work))

    def ours() -> tuple[float, float]:
        return measured([sys.executable, "-c", script, fresh(), queue], folder)

    def quilt() -> tuple[float, float]:
        words: list[str | Path] = ["quilt", "--quiltrc=/dev/null", "push", "-a", "-q", "--fuzz=0"]
        return measured(words, fresh(), QUILT_PATCHES=str(queue))

    show(
        f"A series of {SERIES} patches (a whole process each)",
        interleaved({"application.apply": ours, "quilt push -a": quilt}),
    )


def no_op(folder: Path, workspace: Workspace) -> None:
    """A build with nothing to do, against what is left of it when Python only starts."""
    project = folder / "project"
    words: list[str | Path] = [*CERTIFIED, "-C", project, "build", "2.1.0", "--quiet"]
    measured(words, folder)
    released = (ROOT / "dist" / "2.1.0").is_dir()
    contestants = {"certified build 2.1.0, nothing changed": lambda: measured(words, folder)}
    if released:
        whole: list[str | Path] = [*CERTIFIED, "-C", ROOT, "release", "2.1.0", "--quiet"]
        measured(whole, folder)
        contestants["certified release 2.1.0, nothing changed"] = lambda: measured(whole, folder)
    contestants["python -c pass"] = lambda: measured([sys.executable, "-c", "pass"], folder)
    show("The no-op", interleaved(contestants))


def all_releases(folder: Path) -> None:
    """Every release: cold core wheels one after another and at once, and a run with nothing to do."""
    project = project_copy(folder / "all")
    versions = sorted(path.parent.name for path in (project / "patches").glob("*/release.toml"))
    build: list[str | Path] = [*CERTIFIED, "-C", project, "build", "--quiet"]

    def cold(*words: str) -> tuple[float, float]:
        for name in ("build", "dist"):
            shutil.rmtree(project / name, ignore_errors=True)
        return measured([*build, *words], folder)

    cold("--all")  # so that downloads and the environments of the builds are warm
    singles: dict[str, list[tuple[float, float]]] = {version: [] for version in versions}
    together = []
    for _ in range(RUNS):
        for version in versions:
            singles[version].append(cold(version))
        together.append(cold("--all"))
    print("\n### Cold core and certified wheels of all releases\n\n| command | wall s | CPU s |\n|---|---|---|")
    medians = {
        version: [statistics.median(column) for column in zip(*rows, strict=True)] for version, rows in singles.items()
    }
    for version, (wall, cpu) in medians.items():
        print(f"| certified build {version} | {wall:.2f} | {cpu:.2f} |")
    walls, cpus = (sum(column) for column in zip(*medians.values(), strict=True))
    print(f"| the sum of these | {walls:.2f} | {cpus:.2f} |")
    wall, cpu = (statistics.median(column) for column in zip(*together, strict=True))
    print(f"| certified build --all | {wall:.2f} | {cpu:.2f} |")
    cores = os.cpu_count() or 1
    one_more = wall / len(versions)
    print(f"\nParallel efficiency on {cores} cores: {walls / wall / cores:.0%}; one more release: {one_more:.2f} s")
    released = all((ROOT / "dist" / version / "wheelhouse").is_dir() for version in versions)
    contestants = {"certified build --all, nothing changed": lambda: measured([*build, "--all"], folder)}
    if released:
        whole: list[str | Path] = [*CERTIFIED, "-C", ROOT, "release", "--all", "--quiet"]
        measured(whole, folder)
        contestants["certified release --all, nothing changed"] = lambda: measured(whole, folder)
    show("The no-op of all releases", interleaved(contestants))


def proofs() -> None:
    """All proofs of one release on both sides, once: minutes. Environments are there, outcomes are not used."""
    words = [*CERTIFIED, "-C", ROOT, "prove", "2.1.0", "--quiet"]
    measured(words, ROOT)
    wall, cpu = measured([*words, "--again"], ROOT)
    told = subprocess.run([*words, "--json"], capture_output=True, text=True, check=True, env=clean_environment())
    found = json.loads(told.stdout)["results"]
    tests = sum(item["fails_upstream"] + item["passes_both"] for item in found)
    print("\n### Proofs of 2.1.0, both sides, warm environments (one run)\n")
    print("| proofs | tests | wall s | CPU s | proofs per second | CPU s of a proof |\n|---|---|---|---|---|---|")
    print(f"| {len(found)} | {tests} | {wall:.0f} | {cpu:.0f} | {len(found) / wall:.2f} | {cpu / len(found):.1f} |")


def main() -> None:
    """The tables, on stdout."""
    workspace = Workspace.at(ROOT)
    item = manifest.load(workspace, Version("2.1.0")).core
    machine = f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}, load {os.getloadavg()[0]:.1f} at the start")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        core_wheel(folder, item, workspace)
        thirty_patches(folder, item, workspace)
        no_op(folder, workspace)
        all_releases(folder)
    proofs()


if __name__ == "__main__":
    main()
