"""What releases that share an index must carry for each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from factories import ROOT, write_tree
from packaging.version import Version

from astronomer_certified.artifacts import Python
from astronomer_certified.certify.level import Level, Wanted
from astronomer_certified.project import manifest
from astronomer_certified.release.plan import Plan
from astronomer_certified.release.run import Run
from astronomer_certified.release.stages import wheelhouse
from astronomer_certified.steps.progress import Quiet
from astronomer_certified.workspace import Workspace

PROVIDER = "apache-airflow-providers-microsoft-azure"


@pytest.mark.parametrize(("own", "other"), [("2.0.2", "2.0.0"), ("2.0.0", "2.0.2")])
def test_a_provider_that_one_release_repairs_is_carried_for_another(tmp_path: Path, own: str, other: str) -> None:
    # 2.0.0 repairs 1.1.0 of it, 2.0.2 pins upstream's 1.3.0.
    workspace = replace(Workspace.at(ROOT), index=tmp_path)

    def carried() -> set[str]:
        run = Run(workspace, manifest.load(workspace, Version(own)), 1, Quiet())
        return {
            item.source.filename
            for item in wheelhouse.items(run, wheelhouse.sharing)
            if item.source.project == PROVIDER
        }

    assert carried() == set()
    write_tree(tmp_path, {f"releases/{other}": b""})
    assert carried() == {"apache_airflow_providers_microsoft_azure-1.3.0-py3-none-any.whl"}


def test_proofs_are_run_with_the_same_wheels_whoever_shares_the_index(tmp_path: Path) -> None:
    workspace = replace(Workspace.at(ROOT), index=tmp_path)
    run = Run(workspace, manifest.load(workspace, Version("2.1.0")), 1, Quiet())
    steps = {step.name: step for step in Plan(run).making()}

    def wanted(name: str) -> object:
        return steps[name].inputs({})

    before = {name: wanted(name) for name in (wheelhouse.NAME, wheelhouse.OF_PROOFS)}
    write_tree(tmp_path, {"releases/2.0.2": b""})
    assert wanted(wheelhouse.NAME) != before[wheelhouse.NAME]
    assert wanted(wheelhouse.OF_PROOFS) == before[wheelhouse.OF_PROOFS]
    # Upstream has a wheel of the one that 2.1.0 pins, and none of that of 2.0.2.
    shelves = {
        shared: {item.source.project for item in wheelhouse.items(run, shared)}
        for shared in (wheelhouse.sharing, wheelhouse.alone)
    }
    assert "sqlalchemy-utils" in shelves[wheelhouse.sharing] - shelves[wheelhouse.alone]


@pytest.mark.parametrize(
    ("level", "tried"),
    [
        (Level.QUICK, ("install", "install 3.8")),
        (Level.FULL, ("full 3.8",)),
        (Level.SERVICES, ("full 3.8", "services 3.8")),
    ],
)
def test_a_level_is_tried_without_proofs_and_without_a_certificate(level: Level, tried: tuple[str, ...]) -> None:
    plan = Plan(Run(Workspace.at(ROOT), manifest.load(Workspace.at(ROOT), Version("2.1.0")), 1, Quiet()))

    steps, names = plan.levels({Python(3, 8): level})

    assert names == tried
    every = {step.name for step in steps}
    assert {"publish", "wheelhouse", "constraints", *tried} <= every
    assert every.isdisjoint({"prove", "certificate", "installers", "full 3.7"})


def test_a_whole_certification_tries_each_python_at_its_level() -> None:
    stated = manifest.load(Workspace.at(ROOT), Version("2.1.0"))
    plan = Plan(Run(Workspace.at(ROOT), stated, 1, Quiet()))

    steps = plan.verifying(every=True, levels=Wanted().levels(stated))

    shown = [(step.shown.stage, step.shown.python) for step in steps if step.shown.stage in ("full", "services")]
    assert shown == [("full", "3.6"), ("full", "3.7"), ("full", "3.8"), ("services", "3.8")]
    [certificate] = [step for step in steps if step.name == "certificate"]
    assert {"full 3.6", "services 3.8", "prove", "install"} <= set(certificate.needs)
