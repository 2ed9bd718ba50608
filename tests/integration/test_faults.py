"""The fake release under faults: killed, run twice at once, without network, disk, interpreter or compiler.

Whatever happens, nothing half-made is seen under a final name, the message is one and clear, and the next run is good.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fake_project import (
    PATCH,
    PROOF,
    PYTHON,
    SDIST,
    UPSTREAM_WHEEL,
    VERSION,
    Finished,
    Process,
    Project,
    Upstream,
    assert_sound_wheel,
    descendants,
    not_done,
)
from packaging.version import Version

from astronomer_certified.index.auth.credentials import ensure_credentials
from astronomer_certified.patches.series import Carried
from astronomer_certified.project import manifest
from astronomer_certified.release.stages import pinning
from astronomer_certified.workspace import Workspace

CORE = f"apache_airflow-{VERSION}+astro.1-py3-none-any.whl"
CERTIFIED = f"astronomer_certified-{VERSION}.post1-py3-none-any.whl"
STEPS = (
    "fetch apache-airflow",
    "constraints",
    "wheel apache-airflow",
    "certified wheel",
    "wheelhouse",
    "publish",
    "prove",
    "install",
    "certificate",
)
# The same fault at one more moment, place or kind: it can find what the others do not, but seldom.
MORE = pytest.mark.thorough
MODES = pytest.mark.parametrize(
    "whole_group",
    [pytest.param(True, id="with its children"), pytest.param(False, id="children live on", marks=MORE)],
)
ROUNDS = 3  # of those steps that take milliseconds, so that the kill comes at different moments
MISSING = "3.8"  # a Python that this tool cannot run on, so never the one that runs the tests


def assert_refused(finished: Finished, *parts: str) -> None:
    """One clear message with all the `parts` and a hint; no traceback."""
    assert finished.status == 1, finished.stderr
    assert "Traceback" not in finished.stderr
    assert len(re.findall("^certified: ", finished.stderr, re.MULTILINE)) == 1, finished.stderr
    message = finished.stderr[finished.stderr.index("certified: ") :]
    for part in (*parts, "\n  hint: "):
        assert part in message, message


def assert_nothing_half_made(project: Project) -> None:
    """What has a final name is whole: wheels and published files, receipts, the certificate, constraints."""
    for path in (*project.dist.glob("*.whl"), *project.dist.glob("wheelhouse/*"), *project.store.glob("*.whl")):
        assert_sound_wheel(path)
    for content in (*project.receipts().values(), *(path.read_bytes() for path in project.dist.glob("*.json"))):
        json.loads(content)
    for path in (project.cache / "astronomer-certified" / "wheels").glob("*/*/*.whl"):
        assert_sound_wheel(path)


# Killed at any moment.


@pytest.fixture(scope="module")
def worn(template: Project, upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A released project, caches and all of its own, whose steps are undone, killed and done again."""
    folder = tmp_path_factory.mktemp("worn")
    project = template.copy(folder / "project", cache=folder / "cache")
    project.must("release")
    return project


@pytest.fixture
def orphans() -> Iterator[list[Process]]:
    """The processes that a killed command left behind; gone at the end of the test."""
    left: list[Process] = []
    yield left
    for process in left:
        process.kill()


def undo(project: Project, step: str) -> float:
    """The seconds that a step took; its receipt and all that it made are gone."""
    path = project.build / "receipts" / f"{step}.json"
    receipt = json.loads(path.read_text())
    path.unlink()
    for output in receipt["outputs"]:
        made = Path(output["path"])
        shutil.rmtree(made) if made.is_dir() else made.unlink(missing_ok=True)
    if step == "wheelhouse":
        shutil.rmtree(project.cache / "astronomer-certified" / "wheels")
    return float(receipt["seconds"])


def said_until(process: subprocess.Popen[str], sign: str) -> list[str]:
    """The lines on stderr of a command up to the one with that sign."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if sign in line:
            return said
    pytest.fail(f"it never said {sign!r}: {''.join(said)}")


def killed(
    project: Project, verb: str, sign: str, delay: float, orphans: list[Process], *, whole_group: bool
) -> list[str]:
    """What a command said until it was killed, `delay` seconds after it said `sign`."""
    with project.start(verb) as process:
        said = said_until(process, sign)
        time.sleep(delay)
        orphans += descendants(process.pid)
        if whole_group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
    return said


@MODES
@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_is_killed_in_a_step_is_completed_by_the_next(
    worn: Project, released: tuple[Project, Finished], step: str, whole_group: bool, orphans: list[Process]
) -> None:
    undisturbed, _ = released
    seconds = undo(worn, step)
    for _ in range(ROUNDS if seconds < 0.1 else 1):
        delay = random.uniform(0, seconds)
        print(f"killed {delay:.3f} s into {step}, which takes {seconds} s")
        killed(worn, "release", f"] {step}: ", delay, orphans, whole_group=whole_group)
        assert_nothing_half_made(worn)
        # A kill after the step's end would leave nothing to do in the next round.
        (worn.build / "receipts" / f"{step}.json").unlink(missing_ok=True)

    worn.must("release")

    assert_nothing_half_made(worn)
    assert worn.wheels() == undisturbed.wheels()
    assert worn.published() == undisturbed.published()
    assert worn.left_over() == []


def test_what_a_killed_run_left_half_written_is_gone_after_the_next_wherever_it_lies(worn: Project) -> None:
    inside_environments = {worn.build / "environments", worn.build / "proof-environments"}
    folders = [worn.dist, *(path for path in worn.build.rglob("*") if path.is_dir())]
    folders = [path for path in folders if inside_environments.isdisjoint(path.parents)]
    assert len([path for path in folders if path.parent == worn.build / "logs"]) > 0
    for folder in folders:
        (folder / ".half.log.tmp-abcdefgh").write_text("hal")

    worn.must("release")

    assert worn.left_over() == []


@MODES
def test_a_first_run_that_is_killed_in_every_step_in_turn_is_completed(
    fresh: Project, released: tuple[Project, Finished], whole_group: bool, orphans: list[Process]
) -> None:
    undisturbed, _ = released
    for step in STEPS:
        delay = random.uniform(0, 0.3) if step in ("wheelhouse", "publish", "prove", "install") else 0.0
        print(f"killed {delay:.3f} s into {step}")
        # The steps before may be done by a run that was to be killed later.
        if (fresh.build / "receipts" / f"{step}.json").exists():
            continue
        killed(fresh, "release", f"] {step}: ", delay, orphans, whole_group=whole_group)
        assert_nothing_half_made(fresh)

    fresh.must("release")

    assert fresh.wheels() == undisturbed.wheels() == fresh.published()
    assert fresh.left_over() == []


@MODES
@pytest.mark.parametrize(
    "sign",
    ["locking build", "] fetch ", "] wheel ", "resolving for", "reading the build", "locking proof"],
)
def test_constraints_whose_making_was_killed_are_whole_or_not_there(
    project: Project, sign: str, whole_group: bool, orphans: list[Process]
) -> None:
    committed = {path.name: path.read_bytes() for path in project.constraints.iterdir()}
    for path in project.constraints.iterdir():
        path.unlink()
    delay = random.uniform(0, 0.15)
    print(f"killed {delay:.3f} s after {sign}")

    killed(project, "constraints", sign, delay, orphans, whole_group=whole_group)

    assert {path.name: path.read_bytes() for path in project.constraints.glob("[!.]*")}.items() <= committed.items()
    project.must("constraints")
    assert {path.name: path.read_bytes() for path in project.constraints.glob("*")} == committed
    assert project.left_over() == []


LOGGING_IN = """
import os, sys
from pathlib import Path
from astronomer_certified.index.auth.credentials import ensure_credentials

os.fsync = lambda file: os.kill(os.getpid(), 9)
ensure_credentials(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_password_whose_making_was_killed_is_not_left_lying_about(tmp_path: Path) -> None:
    htpasswd, secret = tmp_path / "htpasswd", tmp_path / "secret"
    done = subprocess.run([sys.executable, "-c", LOGGING_IN, htpasswd, secret], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len([*tmp_path.glob(".secret.tmp-*")]) == 1

    ensure_credentials(htpasswd, secret)

    assert {path.name for path in tmp_path.iterdir()} == {"htpasswd", "secret", ".htpasswd.lock"}


def test_a_killed_run_leaves_no_process_behind_for_long(worn: Project, orphans: list[Process]) -> None:
    (worn.build / "receipts" / "install.json").unlink()
    killed(worn, "release", "airflow tasks test", 0.3, orphans, whole_group=False)

    until = time.monotonic() + 30
    while time.monotonic() < until and any(process.lives() for process in orphans):
        time.sleep(0.1)

    living = [Path(f"/proc/{process.pid}/cmdline").read_text().split("\0") for process in orphans if process.lives()]
    assert living == []


@pytest.mark.parametrize(
    ("sign", "number", "whole_group"),
    [
        pytest.param("] wheelhouse: ", signal.SIGINT, True, id="Ctrl-C in wheelhouse", marks=MORE),
        pytest.param("] publish: ", signal.SIGINT, False, id="kill -INT in publish"),
        pytest.param("] prove: ", signal.SIGINT, True, id="Ctrl-C in prove"),
        pytest.param("] install: pip check", signal.SIGINT, False, id="kill -INT in install", marks=MORE),
        pytest.param("] prove: ", signal.SIGTERM, False, id="kill in prove"),
        pytest.param("] install: pip check", signal.SIGHUP, True, id="terminal closed in install", marks=MORE),
    ],
)
def test_an_interrupted_run_says_so_in_one_line_and_the_next_goes_on(
    project: Project, released: tuple[Project, Finished], sign: str, number: signal.Signals, whole_group: bool
) -> None:
    undisturbed, _ = released
    process = project.start("release")
    said_until(process, sign)
    time.sleep(0.1)
    asked = time.monotonic()
    if whole_group:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    finished = finish(process)

    assert time.monotonic() - asked < 30
    assert finished.status == 128 + number, finished
    assert re.findall("^certified: .*", finished.stderr, re.MULTILINE) == [
        "certified: interrupted; run it again, it goes on where it stopped"
    ]
    assert "Traceback" not in finished.stderr
    assert project.left_over() == []
    project.must("release")
    assert project.wheels() == project.published() == undisturbed.wheels()


# Several at once.


def finish(process: subprocess.Popen[str]) -> Finished:
    stdout, stderr = process.communicate(timeout=120)
    return Finished(status=process.returncode, stdout=stdout, stderr=stderr)


def test_two_releases_of_one_project_at_once_are_one(project: Project, released: tuple[Project, Finished]) -> None:
    undisturbed, _ = released
    first = project.start("release")
    assert first.stderr is not None
    first.stderr.readline()  # it has the lock
    second = project.start("release")
    runs = [finish(first), finish(second)]

    assert [run.status for run in runs] == [0, 0], runs
    waited, nothing = runs[1].stderr.splitlines()
    assert waited.endswith(f": waiting for another run of it (process {first.pid})")
    assert nothing.startswith("up to date: ")
    assert runs[0].stdout == runs[1].stdout
    assert project.wheels() == project.published() == undisturbed.wheels()
    assert project.left_over() == []


def test_two_projects_may_fill_one_cache_at_once(
    template: Project, upstream: Upstream, released: tuple[Project, Finished], tmp_path: Path
) -> None:
    undisturbed, _ = released
    with Upstream(list(upstream.files.values())) as index:
        index.weather.pause = 0.02
        cache = tmp_path / "cache"
        both = [template.copy(tmp_path / name, cache=cache, index_url=index.url) for name in ("one", "two")]
        runs = [finish(process) for process in [project.start("release") for project in both]]
        asked = [line for line in index.weather.asked if SDIST in line]

    assert [run.status for run in runs] == [0, 0], runs
    for project in both:
        assert project.wheels() == project.published() == undisturbed.wheels()
    assert asked == [f"GET /files/{SDIST}"]


FINDING = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from astronomer_certified.pythons import interpreters

sys.setswitchinterval(1e-6)
together = Barrier(8)
with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda number: (together.wait(), interpreters.uv()), range(8)))
"""


def test_steps_that_start_at_once_all_find_uv() -> None:
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", FINDING], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


# The network.


@pytest.fixture
def elsewhere(upstream: Upstream) -> Iterator[Upstream]:
    """An upstream index of the test's own, for bad weather."""
    with Upstream(list(upstream.files.values())) as index:
        yield index


def test_an_unreachable_index_is_named(fresh: Project) -> None:
    nowhere = replace(fresh, index_url="http://127.0.0.1:9/simple/")

    refused = nowhere.run("release")

    assert_refused(refused, "does not answer: http://127.0.0.1:9/simple/", "CERTIFIED_UPSTREAM_INDEX_URL")
    assert not fresh.dist.exists() or not fresh.wheels().keys() & {CORE}
    fresh.must("build")


def test_an_index_that_went_away_after_the_download_is_named(template: Project, fresh: Project) -> None:
    shutil.copytree(template.cache / "astronomer-certified" / "files", fresh.cache / "astronomer-certified" / "files")
    nowhere = replace(fresh, index_url="http://127.0.0.1:9/simple/")

    refused = nowhere.run("build")

    assert_refused(refused, "does not answer: http://127.0.0.1:9/simple/", "CERTIFIED_UPSTREAM_INDEX_URL")
    assert fresh.left_over() == []


def test_an_index_that_hangs_up_is_named_and_constraints_stay_as_they_were(fresh: Project, elsewhere: Upstream) -> None:
    committed = {path.name: path.read_bytes() for path in fresh.constraints.iterdir()}
    elsewhere.weather.away = True

    refused = replace(fresh, index_url=elsewhere.url).run("constraints")

    assert_refused(refused, f"does not answer: {elsewhere.url}")
    assert {path.name: path.read_bytes() for path in fresh.constraints.iterdir()} == committed


def test_a_torn_download_goes_on_where_it_stopped(fresh: Project, elsewhere: Upstream) -> None:
    elsewhere.weather.tears += [300_000, 300_000]

    replace(fresh, index_url=elsewhere.url).must("build")

    assert [line for line in elsewhere.weather.asked if SDIST in line] == [
        f"GET /files/{SDIST}",
        f"GET /files/{SDIST} bytes={256 * 1024}-",
        f"GET /files/{SDIST} bytes={512 * 1024}-",
    ]


def test_a_download_that_was_torn_too_often_goes_on_in_the_next_run(fresh: Project, elsewhere: Upstream) -> None:
    project = replace(fresh, index_url=elsewhere.url)
    elsewhere.weather.tears += [300_000, 10, 10, 10]

    assert_refused(project.run("build"), f"does not answer: {elsewhere.url}")
    elsewhere.weather.asked.clear()
    project.must("build")

    assert f"GET /files/{SDIST} bytes={256 * 1024}-" in elsewhere.weather.asked


def test_bytes_that_are_not_what_the_manifest_says_are_never_used(fresh: Project, elsewhere: Upstream) -> None:
    project = replace(fresh, index_url=elsewhere.url)
    elsewhere.weather.rotten.add(SDIST)

    refused = project.run("build")

    assert_refused(refused, SDIST, f"expected   {elsewhere.files[SDIST].sha256}", "downloaded ")
    assert [path.name for path in fresh.cache.rglob(f"{SDIST}*") if not path.name.endswith(".lock")] == []
    elsewhere.weather.rotten.clear()
    project.must("build")


@pytest.mark.parametrize(("filename", "verb"), [(SDIST, "constraints"), (UPSTREAM_WHEEL, "build")])
def test_a_wrong_sha256_in_the_manifest_is_shown_beside_the_true_one(
    fresh: Project, upstream: Upstream, filename: str, verb: str
) -> None:
    true, wrong = upstream.files[filename].sha256, "0" * 64
    fresh.edit(fresh.manifest, true, wrong)

    refused = fresh.run(verb)

    assert_refused(refused, filename, wrong, true)
    assert CORE not in fresh.wheels()


# What humans wrote.


def test_a_hunk_that_does_not_apply_is_shown_with_both_texts_and_leaves_nothing(project: Project) -> None:
    project.edit(project.patch, "-    return 'Hello, ' + name", "-    return 'Howdy, ' + name")

    refused = project.run("build")

    where = (PATCH, f"apache-airflow {VERSION}", "airflow/greeting.py", "hunk 1")
    assert_refused(refused, *where, "'Howdy, '", "'Hello, '")
    assert CORE not in project.wheels()
    assert project.left_over() == []


def test_a_hunk_that_does_not_apply_any_more_leaves_the_last_wheel(project: Project) -> None:
    project.must("build")
    before = project.wheels()
    project.edit(project.patch, "-    return 'Hello, ' + name", "-    return 'Howdy, ' + name")

    assert_refused(project.run("build"), PATCH)

    assert project.wheels() == before
    assert_nothing_half_made(project)


PASSES_ON_UPSTREAM = "from airflow.greeting import greeting\n\n\ndef test_it():\n    assert greeting('Ada')\n"
FAILS_WHEN_PATCHED = "from airflow.greeting import greeting\n\n\ndef test_it():\n    assert greeting('<') == 'x'\n"
CANNOT_BE_IMPORTED = "from airflow.greeting import html\n\n\ndef test_it():\n    assert html\n"
RAISES_ON_UPSTREAM = "from airflow import greeting\n\n\ndef test_it():\n    assert greeting.html\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param(PASSES_ON_UPSTREAM, "passes on upstream, so it proves nothing", id="passes on upstream"),
        pytest.param(FAILS_WHEN_PATCHED, "on the patched wheel test_it fails: AssertionError", id="fails when patched"),
        pytest.param(CANNOT_BE_IMPORTED, "not in an assertion of the proof", id="import error on upstream", marks=MORE),
        pytest.param(RAISES_ON_UPSTREAM, "fails with AttributeError", id="another error on upstream", marks=MORE),
    ],
)
def test_a_proof_that_does_not_hold_stops_the_release(project: Project, text: str, why: str) -> None:
    project.proof.write_text(text)

    refused = project.run("release")

    assert_refused(refused, "not every proof holds", PROOF, why)
    assert not project.certificate.exists()
    assert project.left_over() == []


def test_a_proof_that_is_not_there_is_named(project: Project) -> None:
    project.proof.unlink()

    refused = project.run("release")

    assert_refused(refused, PROOF, str(project.proof.parent))
    assert not project.certificate.exists()


def test_a_wheel_that_differs_from_upstreams_by_more_than_the_series_is_refused(project: Project) -> None:
    text = project.manifest.read_text()
    project.manifest.write_text(re.sub(r"\[\[restore\]\]\n.*\n.*\n", "", text))

    refused = project.run("release")

    assert_refused(refused, "differs from upstream's by more than its series", "missing: airflow/git_version")
    assert CORE not in project.wheels()
    assert not project.published()


# The disk.


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Callable[[str], None]]:
    """`folder` is a file system of that size; gives a function that makes it another size."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)]
    mounted = subprocess.run(words, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.strip()}")

    def remount(options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)

    try:
        yield remount
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")


@needs_root
@pytest.mark.parametrize(
    ("place", "size", "verb"),
    [
        ("dist", "4k", "build"),
        pytest.param("build", "4k", "build", marks=MORE),
        pytest.param("build", "200k", "release", marks=MORE),
        pytest.param("build", "2m", "release", marks=MORE),
        ("index", "16k", "release"),
    ],
)
def test_a_full_disk_is_one_clear_message_and_nothing_is_lost(
    project: Project, released: tuple[Project, Finished], place: str, size: str, verb: str
) -> None:
    undisturbed, _ = released
    with small_disk(project.root / place, size) as remount:
        refused = project.run(verb)

        assert_refused(refused, "no space left" if place == "index" else "No space left on device")
        assert place in refused.stderr[refused.stderr.index("certified: ") :]
        assert_nothing_half_made(project)
        remount("size=200m")
        project.must("release")
        assert project.wheels() == project.published() == undisturbed.wheels()
        assert project.left_over() == []


@needs_root
def test_a_full_cache_is_one_clear_message(fresh: Project) -> None:
    with small_disk(fresh.cache, "16k") as remount:
        refused = fresh.run("build")

        assert_refused(refused, "No space left on device")
        remount("size=200m")
        fresh.must("build")


def limited(project: Project, size: int, *words: str) -> Finished:
    """The command, run where no file may be larger than `size` bytes."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    # Figures of coverage are a file, too, and its tracer dies aloud when that may not grow.
    env = {name: value for name, value in project.environment().items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(project.argv(*words), env=env, capture_output=True, text=True, check=False, preexec_fn=limit)
    return Finished(status=done.returncode, stdout=done.stdout, stderr=done.stderr)


@pytest.mark.parametrize("size", [1000, 2500, 5000, 50_000])
def test_a_file_that_may_not_grow_is_one_clear_message_and_nothing_is_lost(
    fresh: Project, released: tuple[Project, Finished], size: int
) -> None:
    undisturbed, _ = released

    refused = limited(fresh, size, "build", VERSION)

    assert_refused(refused, "ulimit -f")
    assert_nothing_half_made(fresh)
    fresh.must("build")
    assert fresh.wheels() == {name: undisturbed.wheels()[name] for name in (CORE, CERTIFIED)}
    assert fresh.left_over() == []


@needs_root
def test_a_folder_that_cannot_be_written_is_named(project: Project) -> None:
    with small_disk(project.root / "dist", "200m") as remount:
        remount("ro")
        refused = project.run("build")

        assert_refused(refused, str(project.root / "dist"), "Read-only file system")
        remount("rw")
        project.must("build")


@needs_root
def test_a_full_disk_is_not_taken_for_a_resolution_without_a_solution(fresh: Project) -> None:
    committed = {path.name: path.read_bytes() for path in fresh.constraints.iterdir()}
    with small_disk(fresh.cache, "4m") as remount:
        refused = fresh.run("constraints")

        assert_refused(refused, "No space left on device", "hint: free some space")
        assert "no solution" not in refused.stderr
        assert {path.name: path.read_bytes() for path in fresh.constraints.iterdir()} == committed
        remount("size=200m")
        fresh.must("constraints")


def test_a_file_where_a_folder_should_be_is_named(project: Project) -> None:
    (project.root / "dist").write_text("not a folder")

    assert_refused(project.run("build"), str(project.root / "dist"))


# What a machine lacks.


def machine_without(folder: Path, *missing: str) -> dict[str, str]:
    """The environment of a machine on whose PATH programs with these beginnings are missing, and all other Pythons."""
    folder.mkdir()
    for place in reversed(os.environ["PATH"].split(":")):
        if Path(place).is_dir() and "pyenv" not in place:
            for program in Path(place).iterdir():
                link = folder / program.name
                link.unlink(missing_ok=True)
                if not program.name.startswith(("python", *missing)):
                    link.symlink_to(program)
    nothing = folder / "nothing"
    nothing.mkdir()
    return {"PATH": str(folder), "PYENV_ROOT": str(nothing), "UV_PYTHON_INSTALL_DIR": str(nothing)}


def also_for(project: Project, python: str) -> None:
    """The release is for another Python too, which certifies it; its constraints are those of ours."""
    project.edit(project.manifest, f'pythons = ["{PYTHON}"]', f'pythons = ["{python}", "{PYTHON}"]')
    project.edit(project.manifest, f'python = "{PYTHON}"', f'python = "{python}"')
    folder = project.constraints
    old = re.search(r"^# inputs sha256: (\w+)", (folder / "build-requirements.txt").read_text(), re.MULTILINE)
    assert old is not None
    workspace = Workspace.at(project.root)
    stated = manifest.load(workspace, Version(VERSION))
    new = pinning.inputs_digest(stated, Carried(stated.distributions))
    for path in [*folder.glob(f"*{PYTHON}*")]:
        path.with_name(path.name.replace(PYTHON, python)).write_text(path.read_text())
    extras = json.loads((folder / "extras.json").read_text())
    (folder / "extras.json").write_text(json.dumps({**extras, python: extras[PYTHON]}))
    listed = json.loads((folder / "files.json").read_text())
    for item in listed["files"]:
        item["pythons"] = [python, PYTHON]
    (folder / "files.json").write_text(json.dumps(listed))
    for path in folder.iterdir():
        path.write_text(path.read_text().replace(old.group(1), new))


def test_a_missing_interpreter_keeps_nothing_from_being_made_that_does_not_need_it(
    project: Project, released: tuple[Project, Finished], tmp_path: Path
) -> None:
    undisturbed, _ = released
    also_for(project, MISSING)
    project.must("build")
    elsewhere = project.wheels()
    shutil.rmtree(project.root / "build")
    shutil.rmtree(project.root / "dist")

    finished = project.must("release", **machine_without(tmp_path / "bin"))

    assert {name: project.wheels()[name] for name in (CORE, CERTIFIED)} == elsewhere
    assert project.wheels()[CORE] == undisturbed.wheels()[CORE]
    listed = not_done(finished)
    assert f"wheel of tiny-machine 1.0 for Python {MISSING}" in listed
    assert f"install of [celery,postgres] on Python {MISSING}" in listed
    assert f"proofs on Python {MISSING}" in listed
    # All of that for one reason, told once.
    assert listed.count("why: no such CPython on this machine") == 1
    assert listed.count(f"how: `uv python install {MISSING}` or `pyenv install {MISSING}`") == 1
    assert f"NOT tried here: Python {MISSING}, see above" in finished.stdout
    assert [name for name in project.wheels() if name.startswith("tiny_machine-")] == [
        name for name in undisturbed.wheels() if name.startswith("tiny_machine-")
    ]


def test_what_was_not_done_is_no_error_unless_completeness_is_required(project: Project, tmp_path: Path) -> None:
    also_for(project, MISSING)
    bare = machine_without(tmp_path / "bin")

    assert project.run("release", **bare).status == 0
    refused = project.run("release", "--require-complete", **bare)

    assert refused.status == 1
    assert f"certified: {VERSION}-1 is not complete: 3 things were not done here" in refused.stderr
    assert "NOT DONE" in refused.stdout
    printed = json.loads(project.must("release", "--json", **bare).stdout)
    assert len(printed["not_done"]) == 3


def test_constraints_need_every_python_and_say_which(project: Project, tmp_path: Path) -> None:
    also_for(project, MISSING)
    committed = {path.name: path.read_bytes() for path in project.constraints.iterdir()}

    refused = project.run("constraints", **machine_without(tmp_path / "bin"))

    assert_refused(refused, f"no CPython {MISSING} on this machine", f"uv python install {MISSING}")
    assert {path.name: path.read_bytes() for path in project.constraints.iterdir()} == committed


def test_what_machine_code_needs_and_is_missing_is_named_and_the_rest_is_made(
    fresh: Project, released: tuple[Project, Finished], tmp_path: Path
) -> None:
    undisturbed, _ = released

    finished = fresh.must("release", **machine_without(tmp_path / "bin", "sed"))

    listed = not_done(finished)
    assert f"wheel of tiny-machine 1.0 for Python {PYTHON}" in listed
    assert "why: missing on this machine: sed" in listed
    assert "how: apt-get install sed" in listed
    # The extra needs that wheel, and so do the proofs, which run in what the extra installs.
    assert "install of [celery,postgres]" in listed
    assert f"proofs on Python {PYTHON}" in listed
    made = fresh.wheels()
    assert made.items() < undisturbed.wheels().items()
    # With it, only what was missing is made.
    again = fresh.must("release")
    assert "NOT DONE" not in again.stdout
    assert fresh.wheels() == undisturbed.wheels()
    assert not {"fetch", "wheel", "certified"} & set(re.findall(r"s\] (\w+)", again.stderr))
