"""What releases that share an index must carry for each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from factories import ROOT, write_tree
from packaging.version import Version

from astronomer_certified.project import manifest
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
        return {item.source.filename for item in wheelhouse.items(run) if item.source.project == PROVIDER}

    assert carried() == set()
    write_tree(tmp_path, {f"releases/{other}": b""})
    assert carried() == {"apache_airflow_providers_microsoft_azure-1.3.0-py3-none-any.whl"}
