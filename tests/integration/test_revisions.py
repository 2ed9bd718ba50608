"""A changed series is published under a new revision only, and then beside the old one."""

from __future__ import annotations

from miniature import Project


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
