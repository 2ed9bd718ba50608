"""The certified wheel tells of its release what the carry matrix does."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from factories import ROOT
from packaging.version import Version

from astronomer_certified.advisories import matrix, told
from astronomer_certified.advisories.matrix import Kind
from astronomer_certified.patches.series import Carried
from astronomer_certified.project import manifest
from astronomer_certified.release.plan import Plan
from astronomer_certified.release.run import Run
from astronomer_certified.release.stages import certified_wheel
from astronomer_certified.steps.progress import Quiet
from astronomer_certified.workspace import Workspace

HERE = Workspace.at(ROOT)


@pytest.mark.parametrize("version", [Version("1.10.15"), Version("2.1.0")], ids=str)
def test_a_wheel_tells_of_each_vulnerability_what_the_matrix_does(version: Version) -> None:
    stated = manifest.load(HERE, version)
    known = {item.id: item for item in told.vulnerabilities(HERE, stated, Carried(stated.distributions))}
    rows = {row.id: row.statements[version] for row in matrix.load(HERE).rows if row.kind is Kind.VULNERABILITY}
    assert {id: (item.status, item.reason, item.evidence) for id, item in known.items()} == {
        id: (str(said.status), said.reason, said.evidence) for id, said in rows.items()
    }


def test_a_wheel_tells_of_every_patch_of_core_and_repairs() -> None:
    stated = manifest.load(HERE, Version("2.1.0"))
    carried = Carried(stated.distributions)
    known = [(item.distribution, item.name) for item in told.patches(stated, carried)]
    assert known == [(name, patch.slug) for name, patches in carried.every().items() for patch in patches]
    assert {name for name, _ in known} > {"apache-airflow"}


def test_a_wheel_is_stale_when_what_it_tells_has_changed_and_not_for_a_diff(tmp_path: Path) -> None:
    (tmp_path / "patches").mkdir()
    for folder in (
        "advisories",
        "constraints/2.1.0",
        "patches/2.1.0",
        "patches/celery",
        "patches/apache-airflow-providers-mysql",
    ):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    patch = next((tmp_path / "patches" / "2.1.0").glob("0001-*.patch"))

    def what_is_told() -> str:
        here = Workspace.at(tmp_path)
        plan = Plan(Run(here, manifest.load(here, Version("2.1.0")), 1, Quiet()))
        return certified_wheel.step(plan.run, plan.carried, plan.committed).inputs({})["patches and advisories"]

    before = what_is_told()
    text = patch.read_text(encoding="utf-8")
    patch.write_text(re.sub(r"^@@ (.*)$", r"@@ \1 ", text, flags=re.MULTILINE), encoding="utf-8")
    assert what_is_told() == before
    patch.write_text(text.replace("Description: ", "Description: Now "), encoding="utf-8")
    changed = what_is_told()
    assert changed != before
    record = tmp_path / "advisories" / "CVE-2021-38540.toml"
    record.write_text(record.read_text(encoding="utf-8").replace("severity = 9.8", "severity = 9.7"), encoding="utf-8")
    assert what_is_told() not in (before, changed)
