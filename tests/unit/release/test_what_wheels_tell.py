"""The certified wheel tells of its release what the carry matrix does."""

from __future__ import annotations

import pytest
from factories import ROOT
from packaging.version import Version

from astronomer_certified.advisories import matrix
from astronomer_certified.project import manifest
from astronomer_certified.release.plan import Plan
from astronomer_certified.release.run import Run
from astronomer_certified.release.stages import certified_wheel
from astronomer_certified.steps.progress import Quiet
from astronomer_certified.workspace import Workspace

HERE = Workspace.at(ROOT)


@pytest.mark.parametrize("version", [Version("1.10.15"), Version("2.1.0")], ids=str)
def test_a_wheel_tells_of_each_vulnerability_what_the_matrix_does(version: Version) -> None:
    plan = Plan(Run(HERE, manifest.load(HERE, version), 1, Quiet()))
    told = {item.id: item for item in certified_wheel._vulnerabilities(plan.run, plan.carried)}
    rows = {row.id: row.statements[version] for row in matrix.load(HERE).rows if row.id}
    assert {id: (item.status, item.reason, item.evidence) for id, item in told.items()} == {
        id: (str(said.status), said.reason, said.evidence) for id, said in rows.items()
    }


def test_a_wheel_tells_of_every_patch_of_core_and_repairs() -> None:
    plan = Plan(Run(HERE, manifest.load(HERE, Version("2.1.0")), 1, Quiet()))
    told = [(item.distribution, item.name) for item in certified_wheel._patches(plan.run, plan.carried)]
    assert told == [(name, patch.slug) for name, patches in plan.carried.every().items() for patch in patches]
    assert {name for name, _ in told} > {"apache-airflow"}


def test_what_a_wheel_tells_makes_it_stale() -> None:
    plan = Plan(Run(HERE, manifest.load(HERE, Version("2.1.0")), 1, Quiet()))
    inputs = certified_wheel.step(plan.run, plan.carried, plan.committed).inputs({})
    ahead = [*(ROOT / "advisories").glob("*.toml"), *(ROOT / "patches" / "2.1.0").glob("*.patch")]
    assert {path.relative_to(ROOT).as_posix() for path in ahead} - inputs.keys() == set()
