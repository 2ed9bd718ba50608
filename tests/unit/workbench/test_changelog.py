"""From one revision to the next: what the changelog says, what bump changes, and what nobody loses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from factories import ROOT, patch, series, write_tree
from packaging.version import Version

from astronomer_certified.commands import main
from astronomer_certified.errors import CertifiedError, ManifestError, PublishError
from astronomer_certified.project import manifest, revisions
from astronomer_certified.workbench import changelog
from astronomer_certified.workspace import Workspace

VERSION = Version("2.0.2")
OVERRIDE = '[[override]]\nrequirement = "jinja2==3.0.1"\nreason = "CVE-2020-28493 (slow regular expression)"\n\n'


def diff(line: str) -> str:
    return f"--- a/demo/jobs.py\n+++ b/demo/jobs.py\n@@ -1 +1 @@\n-a\n+{line}\n"


FIX = patch(diff("b"), Description="Fix the demo", CVE="CVE-2021-0001")
BUG = patch(diff("c"), Description="Mend the demo", Notice="Restart it")
BETTER = patch(diff("d"), Description="Make it quicker", Category="improvement")


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    """A project with 2.0.2 and one patch, recorded as its first revision."""
    for path in (*ROOT.glob("patches/*/*/*"), ROOT / f"patches/{VERSION}/release.toml"):
        write_tree(tmp_path, {path.relative_to(ROOT).as_posix(): path.read_bytes()})
    made = Workspace.at(tmp_path)
    stated = made.manifest(VERSION)
    stated.write_text(re.sub(r"^revision = \d+$", "revision = 1", stated.read_text(), flags=re.MULTILINE))
    series(folder(made), {"0001-fix.patch": FIX})
    changelog.write(made, VERSION)
    return made


def folder(place: Workspace) -> Path:
    return place.manifest(VERSION).parent


def text(place: Workspace, name: str) -> str:
    return (folder(place) / name).read_text()


def edit(place: Workspace, old: str, new: str) -> None:
    path = place.manifest(VERSION)
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))


def refused(place: Workspace) -> str:
    stated = changelog.load(place, VERSION)
    with pytest.raises(PublishError) as caught:
        revisions.check(stated.manifest, stated.patches)
    return str(caught.value)


def test_the_first_revision_tells_everything(place: Workspace) -> None:
    said = text(place, "CHANGELOG.md")
    assert said.startswith("# Astronomer Certified of Apache Airflow 2.0.2\n\n## Astronomer Certified 2.0.2-1, 20")
    assert "\n\nSecurity\n\n- Fix the demo (CVE-2021-0001)\n" in said
    assert "\nBug fixes\n\n- apache-airflow-providers-mysql" in said


def test_bump_raises_the_revision_and_tells_what_is_new(place: Workspace) -> None:
    series(folder(place), {"0001-fix.patch": FIX, "0002-mend.patch": BUG, "0003-quicker.patch": BETTER})
    edit(place, "[certify]\n", f"{OVERRIDE}[certify]\n")
    before = text(place, "release.toml")

    assert changelog.bump(place, VERSION).tag == "2.0.2-2"

    assert text(place, "release.toml") == before.replace("revision = 1", "revision = 2")
    new, old = text(place, "CHANGELOG.md").split("## Astronomer Certified ")[1:]
    assert new.split("\n", 1)[1] == (
        "\nSecurity\n\n- jinja2 3.0.1: CVE-2020-28493 (slow regular expression)\n"
        "\nBug fixes\n\n- Mend the demo. Restart it\n\nImprovements\n\n- Make it quicker\n\n"
    )
    assert old.startswith("2.0.2-1, ")
    assert [item["number"] for item in json.loads(text(place, "revisions.json"))] == [1, 2]
    stated = changelog.load(place, VERSION)
    revisions.check(stated.manifest, stated.patches)


def test_changed_and_dropped_patches_are_told(place: Workspace) -> None:
    series(folder(place), {"0001-fix.patch": FIX, "0002-mend.patch": BUG})
    changelog.bump(place, VERSION)
    (folder(place) / "0002-mend.patch").unlink()
    series(folder(place), {"0001-fix.patch": FIX.replace(b"+b", b"+B")})
    changelog.bump(place, VERSION)
    said = text(place, "CHANGELOG.md").split("## Astronomer Certified ")[1]
    assert "- Fix the demo (CVE-2021-0001); revised\n" in said
    assert "- Not carried any more: mend\n" in said


def test_bump_without_a_change_is_refused_unless_it_is_forced(place: Workspace) -> None:
    with pytest.raises(ManifestError, match=r"nothing changed since 2\.0\.2-1"):
        changelog.bump(place, VERSION)
    assert changelog.bump(place, VERSION, force=True).tag == "2.0.2-2"
    assert "No change of series" in text(place, "CHANGELOG.md")


def test_another_order_is_a_change(place: Workspace) -> None:
    both = {"0001-fix.patch": FIX, "0002-mend.patch": BUG}
    series(folder(place), both)
    changelog.bump(place, VERSION)
    series(folder(place), dict(reversed(both.items())))
    assert "  the order of the patches\n" in refused(place)
    assert changelog.bump(place, VERSION).tag == "2.0.2-3"


def test_bump_from_a_revision_that_is_not_recorded_is_refused(place: Workspace) -> None:
    (folder(place) / "revisions.json").unlink()
    with pytest.raises(ManifestError, match=r"2\.0\.2-1 is not recorded"):
        changelog.bump(place, VERSION)


@pytest.mark.parametrize("line", ["revision = 1  # the first", "revision=1", "revision   =   1"])
def test_bump_keeps_how_the_line_is_written(place: Workspace, line: str) -> None:
    edit(place, "revision = 1", line)
    changelog.bump(place, VERSION, force=True)
    assert line.replace("1", "2", 1) in text(place, "release.toml").splitlines()
    assert manifest.load(place, VERSION).release.revision == 2


def test_a_changed_series_is_not_published_without_a_new_revision(place: Workspace) -> None:
    series(folder(place), {"0001-fix.patch": FIX.replace(b"+b", b"+B"), "0002-mend.patch": BUG})
    assert refused(place).splitlines() == [
        "2.0.2-1 is not made of what it was recorded with",
        "  patch 0001-fix.patch: changed",
        "  patch 0002-mend.patch: new",
        (
            "  hint: raise the revision: certified bump 2.0.2 (or, if 2.0.2-1 was never published: certified changelog"
            " 2.0.2 --write)"
        ),
    ]
    edit(place, "revision = 1", "revision = 2")
    assert "2.0.2-2 is not recorded in" in refused(place)


def test_the_record_of_a_published_revision_does_not_change(place: Workspace) -> None:
    write_tree(place.store, {"apache_airflow-2.0.2+astro.1-py3-none-any.whl": ""})
    changelog.write(place, VERSION)  # as it was
    series(folder(place), {"0001-fix.patch": FIX.replace(b"+b", b"+B")})
    with pytest.raises(PublishError, match=r"2\.0\.2-1 is on the index"):
        changelog.write(place, VERSION)


def test_an_entry_with_an_id_of_ours_leaves_with_its_patch(place: Workspace) -> None:
    ours = patch(diff("c"), Description="Mend the demo", CVE="AC-2026-01")
    series(folder(place), {"0001-fix.patch": FIX, "0002-mend-the-demo.patch": ours})
    changelog.write(place, VERSION)
    assert "- Mend the demo (AC-2026-01)\n" in text(place, "CHANGELOG.md")

    (folder(place) / "0002-mend-the-demo.patch").unlink()
    series(folder(place), {"0001-fix.patch": FIX})
    changelog.write(place, VERSION)

    assert "Mend the demo" not in text(place, "CHANGELOG.md")


def test_what_people_wrote_in_an_open_entry_stays(place: Workspace) -> None:
    path = folder(place) / "CHANGELOG.md"
    path.write_text(path.read_text().replace("(CVE-2021-0001)", "(CVE-2021-0001). Mind the gap") + "\nBy hand.\n")
    series(folder(place), {"0001-fix.patch": FIX, "0002-mend.patch": BUG})

    changelog.write(place, VERSION)

    said = path.read_text()
    assert "- Fix the demo (CVE-2021-0001). Mind the gap\n" in said
    assert said.endswith("\nBy hand.\n")
    assert said.count("Fix the demo") == 1
    assert said.count("- Mend the demo") == 1
    changelog.write(place, VERSION)
    assert path.read_text() == said


def test_an_entry_that_another_one_begins_with_is_told_too(place: Workspace) -> None:
    long = patch(diff("c"), Description="Guard the endpoint of logs")
    series(folder(place), {"0001-fix.patch": FIX, "0002-guard-the-endpoint-of-logs.patch": long})
    changelog.write(place, VERSION)
    short = {"0003-guard-the-endpoint.patch": patch(diff("d"), Description="Guard the endpoint")}
    series(folder(place), {"0001-fix.patch": FIX, "0002-guard-the-endpoint-of-logs.patch": long, **short})
    changelog.write(place, VERSION)
    lines = text(place, "CHANGELOG.md").splitlines()
    assert (lines.count("- Guard the endpoint"), lines.count("- Guard the endpoint of logs")) == (1, 1)


def test_an_entry_of_a_patch_that_is_called_otherwise_now_is_told_once(place: Workspace) -> None:
    first = {"0002-mend-the-demo.patch": patch(diff("c"), Description="Mend the demo")}
    series(folder(place), {"0001-fix.patch": FIX, **first})
    changelog.write(place, VERSION)
    before = text(place, "CHANGELOG.md")
    (folder(place) / "0002-mend-the-demo.patch").unlink()
    second = {"0002-repair-the-demo.patch": patch(diff("c"), Description="Repair the demo")}
    series(folder(place), {"0001-fix.patch": FIX, **second})
    write_tree(folder(place), {"CHANGELOG.md": before + "\nBy hand.\n"})

    changelog.write(place, VERSION)

    said = text(place, "CHANGELOG.md")
    assert "Mend the demo" not in said
    assert said.count("- Repair the demo\n") == 1
    assert said.endswith("\nBy hand.\n")


def test_an_entry_of_a_patch_that_is_gone_is_for_a_human_who_added_to_it(place: Workspace) -> None:
    series(folder(place), {"0001-fix.patch": FIX, "0002-mend-the-demo.patch": BUG})
    changelog.write(place, VERSION)
    (folder(place) / "0002-mend-the-demo.patch").unlink()
    series(folder(place), {"0001-fix.patch": FIX})
    before = text(place, "CHANGELOG.md")
    with pytest.raises(ManifestError, match=r"in words of yours\n  Mend the demo\. Restart it\n"):
        changelog.write(place, VERSION)
    assert text(place, "CHANGELOG.md") == before


def test_what_is_new_in_a_repair_is_told_by_its_cve(place: Workspace) -> None:
    repair = place.root / "patches/celery/4.4.7"
    stated = (repair / "distribution.toml").read_text()
    write_tree(repair, {"distribution.toml": stated.replace("revision = 1", "revision = 2")})
    first = (repair / "series").read_text().split()
    series(repair, {**{name: (repair / name).read_text() for name in first}, "0009-fix.patch": FIX})

    changelog.bump(place, VERSION)

    latest = text(place, "CHANGELOG.md").partition("\n## Astronomer Certified 2.0.2-1,")[0]
    assert "\nSecurity\n\n- celery 4.4.7+astro.2: Fix the demo (CVE-2021-0001)\n" in latest
    assert latest.count("celery") == 1


def test_the_verbs_print_what_they_made(place: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["-C", str(place.root)]
    assert main.main([*words, "changelog", "2.0.2"]) == 0
    assert capsys.readouterr().out.startswith("## Astronomer Certified 2.0.2-1, ")
    assert main.main([*words, "bump", "2.0.2"]) == 1
    assert main.main([*words, "bump", "2.0.2", "--force"]) == 0
    assert capsys.readouterr().out == "2.0.2-2\n"
    assert main.main([*words, "changelog", "2.0.2", "--write"]) == 0
    assert capsys.readouterr().out == f"{folder(place)}/CHANGELOG.md\n"


@pytest.mark.parametrize("path", sorted((ROOT / "patches").glob("*/revisions.json")), ids=lambda p: p.parent.name)
def test_the_records_of_this_project_are_sound(path: Path) -> None:
    recorded = revisions.read(path)
    assert [item.number for item in recorded] == list(range(1, len(recorded) + 1))
    with pytest.raises(CertifiedError):
        revisions.read(path.with_name("release.toml"))


# --- nothing is lost without a word


def explain(place: Workspace, *lines: str) -> None:
    path = place.manifest(VERSION)
    path.write_text(path.read_text() + "\n[no-longer-fixed]\n" + "".join(f"{line}\n" for line in lines))


def unexplained(place: Workspace) -> list[str]:
    stated = changelog.load(place, VERSION)
    return revisions.unexplained(stated.manifest, stated.now)


def last_section(place: Workspace) -> str:
    return text(place, "CHANGELOG.md").split("## Astronomer Certified ")[1]


@pytest.mark.parametrize("how", ["dropped", "without its CVE"])
def test_a_fix_that_leaves_the_series_is_a_matter_of_security(place: Workspace, how: str) -> None:
    (folder(place) / "0001-fix.patch").unlink()
    left = {"0002-mend.patch": BUG} if how == "dropped" else {"0001-fix.patch": patch(diff("b"), Description="Fix it")}
    series(folder(place), left)

    assert unexplained(place) == ["CVE-2021-0001 was fixed by fix, which left the release without a word"]
    explain(place, 'CVE-2021-0001 = "it broke the demo of a customer"')
    assert unexplained(place) == []
    changelog.bump(place, VERSION)

    security = last_section(place).partition("Security\n\n")[2].partition("\n\n")[0]
    assert "- No longer fixed: CVE-2021-0001 (fix): it broke the demo of a customer" in security
    # Also in the revision after that.
    assert unexplained(place) == []


def test_a_fix_that_another_patch_has_taken_over_is_not_lost(place: Workspace) -> None:
    (folder(place) / "0001-fix.patch").unlink()
    both = patch(diff("c"), Description="Mend all of it", CVE="CVE-2021-0002, CVE-2021-0001")
    series(folder(place), {"0001-mend-all-of-it.patch": both})
    assert unexplained(place) == []
    changelog.bump(place, VERSION)
    assert "No longer fixed" not in last_section(place)
    assert "- Not carried any more: fix\n" in last_section(place)


def test_another_subject_is_a_rename(place: Workspace) -> None:
    (folder(place) / "0001-fix.patch").unlink()
    series(folder(place), {"0001-repair-the-demo.patch": FIX.replace(b"Fix the demo", b"Repair the demo")})
    assert unexplained(place) == []
    changelog.bump(place, VERSION)
    said = last_section(place)
    assert "- Repair the demo: the patch that was called 'fix'\n" in said
    assert "Security" not in said
    assert "Not carried" not in said


def test_an_override_that_fixed_something_is_missed_as_well(place: Workspace) -> None:
    edit(place, "[certify]\n", f"{OVERRIDE}[certify]\n")
    changelog.bump(place, VERSION)
    edit(place, f"{OVERRIDE}[certify]\n", "[certify]\n")
    assert unexplained(place) == ["CVE-2020-28493 was fixed by jinja2==3.0.1, which left the release without a word"]
    changelog.bump(place, VERSION)
    assert "- No longer fixed: CVE-2020-28493 (jinja2 3.0.1)\n" in last_section(place)
    assert "- jinja2 3.0.1 is not overridden any more\n" in last_section(place)


def test_an_override_by_another_version_is_one_entry(place: Workspace) -> None:
    edit(place, "[certify]\n", f"{OVERRIDE}[certify]\n")
    changelog.bump(place, VERSION)
    edit(place, "jinja2==3.0.1", "Jinja2==3.0.3")
    changelog.bump(place, VERSION)
    assert "- Jinja2 3.0.3: CVE-2020-28493 (slow regular expression)\n" in last_section(place)
    assert "not overridden" not in last_section(place)


@pytest.mark.parametrize(
    ("id", "words"),
    [
        ("CVE-2021-0001", "stands under [no-longer-fixed], but fix fixes it"),
        ("CVE-2021-9999", "stands under [no-longer-fixed], but no revision that is recorded fixed it"),
    ],
)
def test_what_is_said_to_be_gone_was_there_and_is(place: Workspace, id: str, words: str) -> None:
    explain(place, f'{id} = "gone"')
    assert unexplained(place) == [f"{id} {words}"]
