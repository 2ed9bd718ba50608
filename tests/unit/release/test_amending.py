"""A draft that did not build is changed only where the reasons are clear; everything else is left to a human."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from astronomer_certified.artifacts import Manifest, Python
from astronomer_certified.errors import ConstraintsError, ResolutionError, WheelDiffError
from astronomer_certified.project import manifest as manifests
from astronomer_certified.release import amending
from astronomer_certified.release.drafts import Draft
from astronomer_certified.workspace import Workspace

VERSION = Version("2.4.3")
SHA256 = "0" * 64
TEXT = f"""\
version = "2.4.3"
revision = 1
pythons = ["3.7", "3.8"]
cutoff = 2022-11-21T00:00:00Z
listed = 2026-11-24T00:00:00Z
repairs = []
extras = ["apache.beam", "celery", "cncf.kubernetes", "mssql"]
default-extras = ["celery"]

[source]
kind = "wheel"
file = "apache_airflow-2.4.3-py3-none-any.whl"
sha256 = "{SHA256}"
uploaded = 2022-11-14T13:32:38Z

[providers]
celery = "3.1.0"

[left-out]

[certify]
python = "3.8"
pip = "23.3.2"
extras = ["celery"]
"""


@pytest.fixture
def draft() -> Draft:
    older = {"celery": (Version("3.0.0"), Version("2.1.0"))}
    asking = {
        canonicalize_name("pymssql"): ("mssql",),
        canonicalize_name("apache-airflow-providers-kubernetes"): ("cncf.kubernetes",),
    }
    return Draft(version=VERSION, text=TEXT, decisions=(), older=older, asking=asking)


def amended(draft: Draft, *reasons: str) -> Draft | None:
    return amending.after(draft, ResolutionError("no solution", details=reasons))


def stated(draft: Draft | None, workspace: Workspace) -> Manifest:
    """What the draft states, when it is read as a manifest."""
    assert draft is not None
    path = workspace.manifest(VERSION)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(draft.text)
    return manifests.load(workspace, VERSION)


def test_what_the_build_loses_is_restored_and_nothing_else(draft: Draft) -> None:
    lost = ["missing: airflow/py.typed", "changed: airflow/version_info (empty, upstream's has 55 bytes)"]

    restored = amending.after(draft, WheelDiffError("it differs", details=lost))

    assert restored is not None
    assert 'path = "airflow/py.typed"' in restored.text
    assert amending.restoring(restored.text, lost) is None, "what was restored and is lost again needs a human"
    assert amending.restoring(draft.text, [*lost, "changed: airflow/models/dag.py ('+x')"]) is None


CLASH = (
    "error: No solution found when resolving dependencies",
    "  cause: Because apache-airflow[cncf-kubernetes]==2.4.3+astro.1 depends on kubernetes>=11 and so on",
    *(f"And because of reason {number}" for number in range(20)),
    "And because astronomer-certified[all] depends on it, your project's requirements are unsatisfiable.",
    "hint: what uv advises for a project of its own",
)


def test_an_extra_without_a_solution_is_left_out_with_the_resolvers_first_and_last_words(
    draft: Draft, workspace: Workspace
) -> None:
    better = amended(draft, *CLASH)

    found = stated(better, workspace)
    assert found.extras == ("apache.beam", "celery", "mssql")
    assert found.left_out["cncf.kubernetes"] == "no solution with it as of 2022-11-21"
    assert better is not None
    [decision] = better.decisions
    assert decision.what.startswith("the extra cncf.kubernetes is left out: no solution")
    assert decision.why == (
        CLASH[1].replace("  cause: ", ""), "And because of reason 0", "And because of reason 1",
        "... 17 more lines ...", "And because of reason 19", CLASH[-2],
    )  # fmt: skip
    told = decision.told(Path("release.toml"), better.text)
    line = int(told.split(":")[1])
    assert better.text.splitlines()[line - 1] == '"cncf.kubernetes" = "no solution with it as of 2022-11-21"'


@pytest.mark.parametrize(
    ("project", "extra"), [("apache-beam", "apache.beam"), ("pymssql", "mssql"), ("kubernetes", "cncf.kubernetes")]
)
def test_a_source_that_cannot_be_built_spares_the_extra_that_asks_for_it(
    draft: Draft, workspace: Workspace, project: str, extra: str
) -> None:
    found = stated(amended(draft, f"error: Failed to build `{project}==2.3.0`", "[stderr]", "no pip"), workspace)
    assert set(found.left_out) == {extra}


def test_a_default_extra_is_never_left_out_by_itself(draft: Draft) -> None:
    assert amended(draft, "Because apache-airflow[celery]==2.4.3+astro.1 depends on celery>=5") is None


def test_an_extra_of_ours_at_the_end_of_a_chain_is_not_what_stands_in_the_way(draft: Draft) -> None:
    assert amended(draft, "all versions cannot be used. And because astronomer-certified[mssql] is asked") is None


def test_a_provider_steps_back_once_for_each_failure_and_has_one_decision(draft: Draft, workspace: Workspace) -> None:
    first = amended(draft, "And because apache-airflow-providers-celery>=3.1.0 depends on celery>=5.2.3, no.")
    assert first is not None
    second = amended(first, "Because apache-airflow-providers-celery==3.0.0 depends on celery>=5.2.2, no.")
    assert second is not None

    assert stated(second, workspace).providers == {
        canonicalize_name("apache-airflow-providers-celery"): Version("2.1.0")
    }
    [decision] = second.decisions
    assert decision.what == "apache-airflow-providers-celery 2.1.0, as 3.0.0 has no solution on all Pythons"
    assert amended(second, "Because apache-airflow-providers-celery==2.1.0 depends on celery>=5.2.1, no.") is None


def test_metadata_that_cannot_be_read_is_passed_by_with_a_later_date_and_only_once(
    draft: Draft, workspace: Workspace
) -> None:
    reasons = ["hint: Metadata for `pandas` (v0.24.2) could not be parsed:", "  pytz (>=2011k)"]

    better = amended(draft, *reasons)

    found = stated(better, workspace)
    assert found.later == {canonicalize_name("pandas"): found.listed}
    assert better is not None
    assert amended(better, *reasons) is None


def test_a_python_counts_from_the_patch_release_that_what_is_required_is_for(
    draft: Draft, workspace: Workspace
) -> None:
    reasons = [
        "Because the requested Python version (==3.8.*) does not satisfy Python>=3.8.1 and pyathena>=3 wants it",
        "And because apache-airflow[mssql]==2.4.3+astro.1 depends on it",
    ]

    better = amended(draft, *reasons)

    found = stated(better, workspace)
    assert found.first_patch == {Python(3, 8): 1}
    assert found.left_out == {}
    assert better is not None
    again = amended(better, "Python version (==3.7.*) does not satisfy Python>=3.7.2 and so on")
    assert stated(again, workspace).first_patch == {Python(3, 7): 2, Python(3, 8): 1}


def test_pins_that_pip_would_not_install_give_way_to_ones_that_it_does(draft: Draft, workspace: Workspace) -> None:
    reasons = [
        "datadog 0.44.0 is for Python !=3.7.*,>=2.7; 0.43.0 is for 3.7",
        "typing 3.10.0.0 is for Python <3.5,>=2.7; 3.7.4.1 is for 3.7",
    ]

    better = amended(draft, *reasons)

    found = stated(better, workspace)
    assert sorted(str(entry.requirement) for entry in found.overrides) == ["datadog==0.43.0", "typing==3.7.4.1"]
    assert better is not None
    assert len(better.decisions) == 2
    assert amended(better, *reasons) is None
    assert amended(draft, reasons[0], "typing 3.10.0.0 is for Python <3.5,>=2.7") is None


def test_what_only_a_human_can_solve_keeps_the_tools_own_words(draft: Draft) -> None:
    error = ConstraintsError("the toolchain lacks something", details=["flit-core<4"], hint="make it anew")
    assert amending.after(draft, error) is None
    told = amending.unsolved(error).told(Path("release.toml"), draft.text)
    assert told == "release.toml: the toolchain lacks something\n    flit-core<4\n    make it anew"

    told = amending.unsolved(ResolutionError("no solution", details=CLASH)).told(Path("release.toml"), draft.text)
    assert told.startswith("release.toml:3: no solution\n")
    assert replace(draft, builds=False).builds is False
