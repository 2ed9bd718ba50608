"""What a change asks for: a new revision before it is published, and the runs of proofs that it concerns."""

from __future__ import annotations

import re

from miniature import PROOF, Finished, Project


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

    # What does not hold is not remembered.
    project.edit(project.proof, "'Good bye, Ada'", "'Good bye'")
    assert project.run("prove").status == 1
    assert ran(project.run("prove")) == {upstream, patched}
