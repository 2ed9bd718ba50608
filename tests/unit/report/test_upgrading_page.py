"""What operators must look at: every notice once, under the revision that brought it."""

from __future__ import annotations

import re

from factories import ROOT

from astronomer_certified.patches.series import Carried
from astronomer_certified.project import manifest
from astronomer_certified.release import showing
from astronomer_certified.workspace import Workspace

WORKSPACE = Workspace.at(ROOT)
PAGE = (ROOT / "docs/upgrading.md").read_text(encoding="utf-8")


def test_the_page_is_what_the_project_says_now() -> None:
    assert showing.upgrading_page(WORKSPACE) == PAGE, "certified releases --notices > docs/upgrading.md"


def test_every_notice_of_every_release_is_told_once() -> None:
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
    assert list(sections) == [str(version) for version in reversed(WORKSPACE.versions())]
    for version in WORKSPACE.versions():
        stated = manifest.load(WORKSPACE, version)
        for patches in Carried(stated.distributions).every().values():
            for patch in patches:
                assert sections[str(version)].count(f"- **{patch.subject}**") == bool(patch.notice), patch.name


def test_a_notice_stands_under_the_revision_that_brought_it() -> None:
    section = PAGE.partition("## 2.1.0\n")[2].partition("\n## ")[0]
    second, first = section.partition("### To 2.1.0-1, from upstream's 2.1.0")[::2]
    assert "CVE-2026-40861" in second
    assert "CVE-2021-35936" in first


# Upstream's migrations that stopped on some databases. What they leave is the same, and so is what comes after them.
MENDED = {
    "airflow/migrations/versions/cf5dc11e79ad_drop_user_and_chart.py": "asks for the key by the name of PostgreSQL",
}


def test_no_patch_changes_the_schema_of_the_database_as_the_page_promises() -> None:
    for version in WORKSPACE.versions():
        stated = manifest.load(WORKSPACE, version)
        for patches in Carried(stated.distributions).every().values():
            for patch in patches:
                migrations = {path for path in patch.touched if "/migrations/" in path}
                assert migrations <= set(MENDED), f"{patch.name}: nobody could go back behind it"
                if migrations:
                    text = (ROOT / "patches" / str(version) / patch.name).read_text(encoding="utf-8")
                    assert not re.search(r"^[+-](down_)?revision|^--- /dev/null", text, re.MULTILINE), patch.name
