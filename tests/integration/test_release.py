"""Whole releases of the fake project, through the real command: what comes out, what is done again, and why."""

from __future__ import annotations

import functools
import json
import re
import shutil
import threading
import time
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from fake_project import PATCH, PYTHON, VERSION, Finished, Project, Upstream, assert_sound_wheel, sha256_of

CORE = f"apache_airflow-{VERSION}+astro.1-py3-none-any.whl"
CERTIFIED = f"astronomer_certified-{VERSION}.post1-py3-none-any.whl"
PURE = "tiny_source-1.0-py3-none-any.whl"
CHECKS = [
    "pip install",
    "pip check",
    "airflow version",
    "airflow db init",
    "airflow dags list",
    "airflow tasks test",
    "providers",
    "webserver /health",
]


def steps_done(finished: Finished) -> dict[str, str]:
    """Why each step was done, by its name: the first line of each on stderr."""
    lines = re.findall(r"^\[ *[\d.]+s\] ([^:]+): (.+)$", finished.stderr, re.MULTILINE)
    why: dict[str, str] = {}
    for name, reason in lines:
        why.setdefault(name, reason)
    return why


def machine_wheel(names: dict[str, str]) -> str:
    [name] = [name for name in names if name.startswith("tiny_machine-")]
    return name


def test_a_release_ends_with_a_table_of_the_files_that_are_there(released: tuple[Project, Finished]) -> None:
    project, finished = released
    made = [*project.dist.glob("*.whl"), *project.dist.glob("wheelhouse/*.whl"), project.certificate]

    assert finished.files == {path.name: (path.stat().st_size, sha256_of(path)) for path in made}
    assert {CORE, CERTIFIED, PURE, machine_wheel(project.wheels())} == set(project.wheels())
    assert re.search(rf"pip install --index-url \S+ 'astronomer-certified\[.*\]=={VERSION}\.\*'", finished.stdout)
    assert "NOT DONE" not in finished.stdout


def test_every_made_wheel_is_sound_and_published_as_it_is(released: tuple[Project, Finished]) -> None:
    project, _ = released

    assert project.published() == project.wheels()
    for path in project.store.glob("*.whl"):
        assert_sound_wheel(path)
    assert project.left_over() == []


def test_a_compiled_wheel_says_honestly_which_systems_it_is_for(released: tuple[Project, Finished]) -> None:
    project, _ = released
    tag = PYTHON.replace(".", "")

    # manylinux2014 is what pip 19.3 knows, manylinux_2_17 the same in the words of PEP 600.
    assert re.fullmatch(
        rf"tiny_machine-1\.0-1-cp{tag}-cp{tag}-manylinux2014_\w+\.manylinux_2_17_\w+\.whl",
        machine_wheel(project.wheels()),
    )


def test_the_certificate_names_every_check_and_proof(released: tuple[Project, Finished]) -> None:
    project, _ = released
    certificate = json.loads(project.certificate.read_text())

    assert certificate["release"] == f"{VERSION}-1"
    built_with = {f"constraints/{name}" for name in ("toolchain.txt", "builds.toml", "compilers.txt", "native.toml")}
    assert built_with <= certificate["inputs"].keys()
    assert [check["name"] for check in certificate["installs"][0]["checks"]] == CHECKS
    [proof] = certificate["proofs"]["results"]
    assert (proof["name"], proof["fails_upstream"], proof["passes_both"]) == ("test_greeting.py", 1, 1)
    core = certificate["patched_wheels"][0]
    assert (core["file"], core["sha256"]) == (CORE, project.wheels()[CORE])
    assert core["patches"] == [PATCH]
    assert core["restored"] == ["airflow/git_version"]
    assert {entry["path"]: entry["reason"] for entry in core["wheel_diff"]} == {
        "airflow/greeting.py": "series",
        ".dist-info/METADATA": "version stamp",
    }


def test_every_python_adds_an_install_of_the_default_extra_to_the_certificate(
    released: tuple[Project, Finished], template: Project, tmp_path: Path
) -> None:
    project = template.copy(tmp_path / "project")

    project.must("release", "--every-python")

    certificate = json.loads(project.certificate.read_text())
    for install, extras in zip(certificate["installs"], ("celery,postgres", "default"), strict=True):
        assert install["requirement"] == f"astronomer-certified[{extras}]=={VERSION}.*"
        assert [check["name"] for check in install["checks"]] == CHECKS
    tried = [trial["installer"].split()[0] for trial in certificate["installers"][0]["trials"]]
    assert tried == ["pip", "uv"]
    assert project.wheels() == released[0].wheels()


def test_a_second_run_does_nothing_and_says_the_same(released: tuple[Project, Finished]) -> None:
    project, first = released
    receipts, stamp = project.receipts(), project.certificate.stat().st_mtime_ns

    second = project.must("release")

    assert second.stdout == first.stdout
    assert re.fullmatch(r"up to date: none of \d+ steps had anything to do\n", second.stderr)
    assert project.receipts() == receipts
    assert project.certificate.stat().st_mtime_ns == stamp


def test_a_run_with_nothing_to_do_needs_no_network(released: tuple[Project, Finished]) -> None:
    project, first = released

    again = project.must("release", CERTIFIED_UPSTREAM_INDEX_URL="http://127.0.0.1:9/simple/")

    assert again.stdout == first.stdout


def test_json_is_the_whole_of_stdout(released: tuple[Project, Finished]) -> None:
    project, first = released
    printed = json.loads(project.must("release", "--json").stdout)

    assert printed["release"] == f"{VERSION}-1"
    assert {Path(row["file"]).name: (row["size"], row["sha256"]) for row in printed["files"]} == first.files
    assert printed["not_done"] == []


def test_quiet_says_nothing_on_stderr(project: Project) -> None:
    finished = project.must("build", "--quiet")

    assert finished.stderr == ""
    assert [Path(line).name for line in finished.stdout.splitlines()] == [CORE, CERTIFIED]


def test_builds_elsewhere_and_later_are_the_same_to_the_last_byte(
    released: tuple[Project, Finished], template: Project, tmp_path: Path
) -> None:
    first, _ = released
    # Zip entries have a resolution of two seconds, and nothing here was made in the last minute of another time zone.
    made = max(path.stat().st_mtime for path in first.dist.glob("*.whl"))
    time.sleep(max(0.0, made + 2 - time.time()))
    second = template.copy(tmp_path / "a much longer path" / "than the other" / "project", cache=tmp_path / "cache")
    variables = {"TZ": "Pacific/Auckland", "LANG": "C", "TMPDIR": str(tmp_path), "SOURCE_DATE_EPOCH": "1"}

    second.must("wheelhouse", **variables)
    second.must("build", **variables)

    assert second.wheels() == first.wheels()


def test_constraints_made_anew_are_the_committed_ones(fresh: Project, tmp_path: Path) -> None:
    again = tmp_path / "again"

    finished = fresh.must("constraints", "--output", str(again))

    committed = {path.name: path.read_bytes() for path in fresh.constraints.iterdir()}
    assert {path.name: path.read_bytes() for path in again.iterdir()} == committed
    assert {Path(line) for line in finished.stdout.splitlines()} == {again / name for name in committed}


def test_a_changed_patch_rebuilds_what_depends_on_it_and_nothing_else(project: Project) -> None:
    project.must("release")
    before = project.wheels()
    project.edit(project.patch, "'Hello, ' + html.escape(name)", "f'Hello, {html.escape(name)}'")

    refused = project.run("release")

    why = steps_done(refused)
    assert set(why) == {"constraints", "wheel apache-airflow", "prove", "publish"}
    assert why["wheel apache-airflow"] == f"patches/{VERSION}/{PATCH} changed"
    assert refused.status == 1
    assert f"certified: {CORE} is published already, with other bytes" in refused.stderr
    assert before[CORE] in refused.stderr
    assert project.wheels()[CORE] in refused.stderr
    assert "hint: a published file never changes: raise the revision" in refused.stderr
    assert project.published() == before

    project.edit(project.manifest, "revision = 1", "revision = 2")
    finished = project.must("release")

    core, certified = CORE.replace("astro.1", "astro.2"), CERTIFIED.replace("post1", "post2")
    assert {core, certified} < set(finished.files)
    assert set(project.wheels()) == set(finished.files) - {f"certificate-{VERSION}-2.json"}
    assert project.published() == {**before, **project.wheels()}
    assert "wheelhouse" not in steps_done(finished)


def test_a_touched_file_is_no_changed_file(project: Project) -> None:
    project.must("build")
    for path in (project.patch, project.manifest, *project.constraints.iterdir(), *project.dist.glob("*.whl")):
        path.touch()

    assert project.must("build").stderr.startswith("up to date: ")


@pytest.fixture
def by_upstream(tmp_path: Path) -> Path:
    """The folder in which upstream keeps what it tested 9.9.9 with: an older version than the newest, and noise."""
    folder = tmp_path / "upstream"
    path = folder / f"constraints-{VERSION}" / f"constraints-{PYTHON}.txt"
    path.parent.mkdir(parents=True)
    path.write_text("# made by upstream\nTiny_Wheel==0.9\nabsent-from-the-index==3\ntiny-source==77\n")
    return folder


def test_what_upstream_tested_with_is_tried_first_and_said_in_the_header(project: Project, by_upstream: Path) -> None:
    project.must("constraints", "--prefer", str(by_upstream))

    text = (project.constraints / f"constraints-{PYTHON}.txt").read_text()
    assert "\ntiny-wheel==0.9\n" in text
    assert "\ntiny-source==1.0\n" in text
    kept = project.manifest.with_name(f"upstream-constraints-{PYTHON}.txt")
    line = next(line for line in text.splitlines() if line.startswith("# preferred "))
    pins = sum(not line.startswith("#") for line in text.splitlines())
    assert line == (
        f"# preferred patches/{VERSION}/{kept.name} (what upstream tested with): 1 of {pins} pins are its own,"
        " 1 are other versions, it has no word on the rest."
    )
    # It is part of the project from now on: made anew without the option, they are the same; without it, stale.
    committed = {path.name: path.read_bytes() for path in project.constraints.iterdir()}
    project.must("constraints")
    assert {path.name: path.read_bytes() for path in project.constraints.iterdir()} == committed
    project.edit(kept, "tiny-wheel==0.9", "tiny-wheel==1.0")
    assert "was made from other inputs" in project.run("build").stderr


def test_what_upstream_tested_with_is_taken_from_an_address_too(project: Project, by_upstream: Path) -> None:
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(by_upstream))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        where = f"http://user:secret@127.0.0.1:{server.server_port}"
        project.must("constraints", "--prefer", where)
        refused = project.run("constraints", "--prefer", f"{where}/elsewhere")
        server.shutdown()

    assert "tiny-wheel==0.9\n" in (project.constraints / f"constraints-{PYTHON}.txt").read_text()
    assert f"there are no constraints of upstream for {VERSION} on Python {PYTHON}" in refused.stderr
    assert f"127.0.0.1:{server.server_port}/elsewhere/constraints-{VERSION}/constraints-{PYTHON}.txt" in refused.stderr
    assert "secret" not in refused.stderr


def test_what_is_not_what_upstream_tested_with_changes_nothing(project: Project, by_upstream: Path) -> None:
    path = by_upstream / f"constraints-{VERSION}" / f"constraints-{PYTHON}.txt"
    path.write_text("tiny-wheel==0.9\n<html>Sign in</html>\n")
    committed = {path.name: path.read_bytes() for path in project.constraints.iterdir()}

    refused = project.run("constraints", "--prefer", str(by_upstream))

    assert "line 2: '<html>Sign in</html>': not a requirement (PEP 508)" in refused.stderr
    assert {path.name: path.read_bytes() for path in project.constraints.iterdir()} == committed
    assert not list(project.manifest.parent.glob("upstream-constraints-*"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cutoff = 2021-01-08T00:00:00Z", "cutoff = 2021-02-08T00:00:00Z"),
        ('extras = ["celery", "postgres"]\ndefault', 'extras = ["postgres", "celery"]\ndefault'),
        ('requires = ["setuptools", "wheel"]', 'requires = ["setuptools"]'),
        ("[certify]", '[[override]]\nrequirement = "tiny-wheel==1.1"\nreason = "a test"\n\n[certify]'),
    ],
    ids=["cutoff", "extras", "build requirements", "override"],
)
def test_constraints_from_another_manifest_are_refused(project: Project, old: str, new: str) -> None:
    project.edit(project.manifest, old, new)

    refused = project.run("release")

    assert refused.status == 1
    assert "was made from other inputs" in refused.stderr
    assert f"hint: run `certified constraints {VERSION}`" in refused.stderr
    assert not project.dist.exists() or not project.wheels()


def test_constraints_that_somebody_edited_are_refused(project: Project) -> None:
    project.edit(project.constraints / f"constraints-{PYTHON}.txt", "tiny-wheel==1.0", "tiny-wheel==1.1")

    refused = project.run("release")

    assert refused.status == 1
    assert f"constraints-{PYTHON}.txt and its -hashes variant name different pins" in refused.stderr
    assert not project.store.exists()


def test_the_newest_before_the_cutoff_is_pinned_unless_an_override_wins(project: Project, upstream: Upstream) -> None:
    pins = project.constraints / f"constraints-{PYTHON}.txt"
    assert "tiny-wheel-1.1" in " ".join(upstream.files).replace("_", "-")
    assert "tiny-wheel==1.0\n" in pins.read_text()
    entry = '[[override]]\nrequirement = "tiny-wheel==1.1"\nreason = "CVE-2021-0000 is fixed in it"\n\n'
    project.edit(project.manifest, "[certify]", entry + "[certify]")
    project.edit(project.manifest, "revision = 1\n", "revision = 1\nlisted = 2021-03-01T00:00:00Z\n")

    project.must("constraints")

    assert "tiny-wheel==1.1\n" in pins.read_text()
    assert "# override tiny-wheel==1.1: CVE-2021-0000 is fixed in it\n" in pins.read_text()
    project.must("release")


def test_an_override_whose_files_are_younger_than_listed_is_refused(project: Project) -> None:
    committed = {path.name: path.read_bytes() for path in project.constraints.iterdir()}
    entry = '[[override]]\nrequirement = "tiny-wheel==1.1"\nreason = "a test"\n\n'
    project.edit(project.manifest, "[certify]", entry + "[certify]")

    refused = project.run("constraints")

    assert refused.status == 1
    assert "certified: " in refused.stderr
    assert "\n  tiny-wheel 1.1\n" in refused.stderr
    assert "\n  hint: set `listed` to a date on which they were there" in refused.stderr
    assert {path.name: path.read_bytes() for path in project.constraints.iterdir()} == committed


def test_without_the_override_the_older_version_is_back(project: Project) -> None:
    committed = {path.name: path.read_bytes() for path in project.constraints.iterdir()}
    entry = '[[override]]\nrequirement = "tiny-wheel==1.1"\nreason = "a test"\n\n'
    later = "listed = 2021-03-01T00:00:00Z\n"
    project.edit(project.manifest, "[certify]", entry + "[certify]")
    project.edit(project.manifest, "revision = 1\n", "revision = 1\n" + later)
    project.must("constraints")
    project.edit(project.manifest, entry, "")
    project.edit(project.manifest, later, "")

    project.must("constraints")

    assert {path.name: path.read_bytes() for path in project.constraints.iterdir()} == committed


def test_a_copied_project_vouches_for_its_own_files_only(released: tuple[Project, Finished], tmp_path: Path) -> None:
    original, _ = released
    copied = replace(original, root=tmp_path / "copied")
    shutil.copytree(original.root, copied.root)
    for path in copied.dist.glob("*.whl"):
        path.unlink()

    again = copied.must("release", "--json")

    assert all(copied.root in Path(row["file"]).parents for row in json.loads(again.stdout)["files"])
    assert copied.wheels() == original.wheels()


def test_all_releases_are_made_and_one_that_fails_keeps_no_other_from_going_on(
    released: tuple[Project, Finished], template: Project, tmp_path: Path
) -> None:
    project = template.copy(tmp_path / "project")
    # In the way of its neighbour in no respect but that it comes first: a folder that states another version.
    shutil.copytree(project.manifest.parent, project.manifest.parent.with_name("9.9.8"))

    finished = project.certified("release", "--all")

    assert finished.status == 1
    header, failed, *good = finished.stdout.splitlines()
    assert header.split()[:2] == ["version", "python"]
    assert re.match(r"9\.9\.8 +all .*FAILED: .*9\.9\.8", failed)
    assert re.match(rf"{re.escape(VERSION)} +all .* complete$", good[0])
    assert re.match(rf"{re.escape(VERSION)} +{re.escape(PYTHON)} ", good[1])
    assert "certified: 9.9.8: " in finished.stderr
    assert project.wheels() == released[0].wheels()

    again = project.certified("build", "--all", "--json")
    assert {row["version"]: row["error"] is None for row in json.loads(again.stdout)} == {"9.9.8": False, VERSION: True}
