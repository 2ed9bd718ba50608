"""What a change asks for: a new revision before it is published, and the runs of proofs that it concerns."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tarfile

from fake_project import PROOF, SDIST, Finished, Project, sdist


def test_a_changed_series_needs_a_new_revision(project: Project) -> None:
    project.must("changelog", "--write")
    project.must("publish")
    first = project.published()
    project.edit(project.patch, "html.escape(name)", "html.escape(str(name))")

    refused = project.run("publish")

    assert refused.status == 1
    assert "9.9.9-1 is not made of what it was recorded with" in refused.stderr
    assert "hint: raise the revision: certified bump 9.9.9" in refused.stderr
    assert project.published() == first
    assert project.must("bump").stdout == "9.9.9-2\n"
    project.must("publish")
    assert first.items() < project.published().items()
    assert "apache_airflow-9.9.9+astro.2-py3-none-any.whl" in project.published()
    told = (project.manifest.parent / "CHANGELOG.md").read_text().split("## ")[1]
    assert told.startswith("Astronomer Certified 9.9.9-2, ")
    assert "\n\nBug fixes\n\n- Escape the name in the greeting; revised\n" in told


def ran(finished: Finished) -> set[str]:
    """Which proofs were run on which side."""
    return set(re.findall(r"prove: (\S+ on \w+) \(", finished.stderr))


def test_a_proof_is_run_again_only_where_something_changed(project: Project) -> None:
    upstream, patched = f"{PROOF} on upstream", f"{PROOF} on patched"
    assert ran(project.must("prove")) == {upstream, patched}
    assert ran(project.must("prove", PROOF)) == set()

    project.edit(project.patch, "html.escape(name)", "html.escape(str(name))")
    assert ran(project.must("prove")) == {patched}
    project.edit(project.proof, "'Hello, Ada'", "'Hello, ' 'Ada'")
    assert ran(project.must("prove", PROOF)) == {upstream, patched}
    (project.proof.parent / "conftest.py").write_text("")
    assert ran(project.must("prove")) == {upstream, patched}
    assert ran(project.must("prove", "--again")) == {upstream, patched}

    data = project.proof.parent / "names" / "ada.tsv"
    data.parent.mkdir()
    data.write_text("Ada")
    assert ran(project.must("prove")) == {upstream, patched}, "all proofs may read it"
    (data.parent.parent / "test_names.py").write_text("")
    assert ran(project.must("prove")) == {upstream, patched}, "it is another proof's now"
    data.write_text("Ada and Bob")
    assert ran(project.must("prove")) == set(), "a proof was run as the data of another one changed"
    data.parent.rename(data.parent.with_name(PROOF.removeprefix("test_").removesuffix(".py")))
    assert ran(project.must("prove")) == {upstream, patched}, "it belongs to this proof"

    # What does not hold is not remembered.
    project.edit(project.proof, "'Good bye, Ada'", "'Good bye'")
    assert project.run("prove").status == 1
    assert ran(project.run("prove")) == {upstream, patched}


def test_a_proof_of_a_repair_meets_upstreams_wheel_of_that_alone(project: Project) -> None:
    locks = "".join(path.read_text() for path in project.constraints.glob("constraints-*-hashes.txt"))
    known = re.search(r"tiny-wheel==1\.0 [^#]*?sha256:(\w+)", locks)
    assert known is not None
    texts = {
        "distribution.toml": 'version = "1.0"\nrevision = 1\n\n[source]\nkind = "wheel"\n'
        f'file = "tiny_wheel-1.0-py3-none-any.whl"\nsha256 = "{known[1]}"\nuploaded = 2020-06-01T00:00:00Z\n',
        "series": "0001-repair.patch\n",
        "0001-repair.patch": project.patch.read_text().partition("---\n")[0].replace(PROOF, "test_repair.py")
        + "---\ndiff --git a/tiny_wheel.py b/tiny_wheel.py\n--- a/tiny_wheel.py\n+++ b/tiny_wheel.py\n"
        "@@ -1 +1 @@\n-VERSION = '1.0'\n+VERSION = 'repaired'\n",
    }
    for name, text in texts.items():
        path = project.root / "patches" / "tiny-wheel" / "1.0" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (project.proof.parent / "test_repair.py").write_text(
        "import tiny_wheel\nfrom airflow.greeting import greeting\n\n\n"
        "def test_repaired():\n    assert tiny_wheel.VERSION == 'repaired'\n\n\n"
        "def test_the_core_is_patched_on_both_sides():\n    assert '&lt;' in greeting('<b>')\n"
    )
    project.edit(project.manifest, "revision = 1\n", 'revision = 1\nrepairs = ["tiny-wheel==1.0"]\n')
    project.must("constraints")

    first = project.must("prove")

    assert ran(first) == {f"{name} on {side}" for name in (PROOF, "test_repair.py") for side in ("upstream", "patched")}
    assert "test_repair.py: 1 tests fail on upstream and pass when patched, 1 pass on both" in first.stdout
    assert "1 passed" in (project.build / "logs" / "prove" / "test_repair-upstream.txt").read_text()

    # What a repair is made of is the same for all releases that pin it: it is made once, as long as it is whole.
    [wheel] = project.dist.glob("tiny_wheel-*.whl")
    content = wheel.read_bytes()
    for damaged in (False, True):
        [kept] = project.cache.glob("astronomer-certified/wheels/*/*/tiny_wheel-1.0+astro.1-py3-none-any.whl")
        if damaged:
            kept.write_bytes(content[:-1])
        wheel.unlink()
        again = project.must("build")
        assert ("made for another release" in again.stderr) != damaged
        assert wheel.read_bytes() == kept.read_bytes() == content

    # The hashed constraints name the wheel of a repair, so they are stale when it changes; its proof is run again.
    project.edit(
        project.root / "patches/tiny-wheel/1.0/0001-repair.patch", "+VERSION = 'repaired'", "+VERSION = 'other'"
    )
    project.edit(project.proof.parent / "test_repair.py", "== 'repaired'", "== 'other'")
    refused = project.run("build")
    assert refused.status == 1
    assert "certified constraints 9.9.9" in refused.stderr
    project.must("constraints")
    assert ran(project.must("prove", "test_repair.py")) == {
        f"test_repair.py on {side}" for side in ("upstream", "patched")
    }


def test_a_ported_patch_is_proven_at_once(project: Project) -> None:
    """From a 9.9.8 that has the patch to the 9.9.9 that lost it, and whose source is the same."""
    name = "apache-airflow-9.9.8.tar.gz"
    with tarfile.open(next(project.cache.glob(f"astronomer-certified/files/*/*/{SDIST}"))) as tar:
        members = {
            member.name.partition("/")[2]: stream.read()
            for member in tar
            if (stream := tar.extractfile(member)) is not None
        }
    source = sdist("apache-airflow", "9.9.8", members)
    digest = hashlib.sha256(source).hexdigest()
    cached = project.cache / "astronomer-certified" / "files" / digest[:2] / digest / name
    cached.parent.mkdir(parents=True, exist_ok=True)
    cached.write_bytes(source)
    older = project.root / "patches" / "9.9.8"
    shutil.copytree(project.manifest.parent, older)
    text = (older / "release.toml").read_text().replace("9.9.9", "9.9.8")
    known = re.search(rf'{re.escape(name)}"\nsha256 = "(\w+)"', text)
    assert known is not None
    (older / "release.toml").write_text(text.replace(known[1], digest))
    project.patch.unlink()
    (project.manifest.parent / "series").write_text("")

    words = project.argv("patch", "port", "escape-the-name-in-the-greeting", "--to", "9.9.9")
    done = subprocess.run(words, env=project.environment(), capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("9.9.9    clean          escape-the-name-in-the-greeting from 9.9.8")
    assert f"9.9.9    proven         {PROOF} (" in done.stderr
    assert project.patch.is_file()
