"""A draft states what the upstream index and archives say, and asks a human about the rest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from factories import digest, manifest, sdist, wheel
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from astronomer_certified.artifacts import PinnedFile, UpstreamFile
from astronomer_certified.errors import ManifestError, UpstreamError
from astronomer_certified.project import manifest as manifests
from astronomer_certified.release import drafts
from astronomer_certified.source.index_client import IndexFile
from astronomer_certified.workspace import Workspace

UPLOADED = datetime(2022, 11, 14, 13, 32, 38, tzinfo=UTC)
TODAY = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
METADATA = """\
Metadata-Version: 2.1
Name: apache-airflow
Version: 2.4.3
Classifier: Programming Language :: Python :: 3.7
Classifier: Programming Language :: Python :: 3.8
Requires-Python: ~=3.7
Provides-Extra: celery
Provides-Extra: cncf.kubernetes
Provides-Extra: devel_all
"""


class Upstream:
    """An index of files on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, list[IndexFile]] = {}
        self.paths: dict[str, Path] = {}

    def add(self, project: str, path: Path | str, version: str, **changes: Any) -> None:
        name = path if isinstance(path, str) else path.name
        sha256 = "0" * 64 if isinstance(path, str) else digest(path)
        file = IndexFile(
            filename=name, url=name, sha256=sha256, uploaded=UPLOADED, version=version, requires_python=None
        )
        self.files.setdefault(project, []).append(replace(file, **changes))
        if isinstance(path, Path):
            self.paths[name] = path

    def of(self, projects: Iterable[NormalizedName]) -> dict[NormalizedName, tuple[IndexFile, ...]]:
        return {project: tuple(self.files.get(project, ())) for project in projects}

    def fetch(self, pinned: PinnedFile) -> UpstreamFile:
        return UpstreamFile(pinned=pinned, path=self.paths[pinned.filename])


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    """apache-airflow 2.4.3 as wheel and sdist; the sdist lacks a file, the wheel has two extras for users."""
    found = Upstream(tmp_path)
    code = {"airflow/__init__.py": "", "airflow/cli/cli_parser.py": ""}
    whole = {**code, "airflow/git_version": "abc", "apache_airflow-2.4.3.dist-info/METADATA": METADATA}
    found.add("apache-airflow", wheel(tmp_path / "apache_airflow-2.4.3-py3-none-any.whl", whole), "2.4.3")
    source = sdist(
        tmp_path / "apache-airflow-2.4.3.tar.gz",
        {
            **code,
            "setup.py": "version = '2.4.3'\n",
            "pyproject.toml": '[build-system]\nrequires = ["setuptools==63.4.3"]\n',
        },
    )
    found.add("apache-airflow", source, "2.4.3")
    for version, changes in (
        ("3.0.0", {}),
        ("3.1.0", {}),
        ("3.2.0", {"yanked": True}),
        ("3.3.0rc1", {}),
        ("4.0.0", {"uploaded": datetime(2022, 12, 1, tzinfo=UTC)}),
    ):
        found.add(
            "apache-airflow-providers-celery", f"apache_airflow_providers_celery-{version}.whl", version, **changes
        )
    return found


def template(**changes: Any) -> Any:
    providers = {canonicalize_name("apache-airflow-providers-celery"): Version("1.0.1")}
    return manifest(providers=providers, **changes)


def drafted(upstream: Upstream, version: str = "2.4.3", **changes: Any) -> drafts.Draft:
    return drafts.draft(Version(version), template(**changes), upstream, upstream.fetch, TODAY)  # type: ignore[arg-type]


def asked(draft: drafts.Draft) -> list[str]:
    return [decision.what for decision in draft.decisions]


def test_every_decision_is_about_a_line_that_is_there(upstream: Upstream) -> None:
    upstream.files["apache-airflow"] = [
        replace(file, version="2.4.3rc1", yanked=True, uploaded=None) for file in upstream.files["apache-airflow"]
    ]
    draft = drafted(upstream, "2.4.3rc1", default_extras=frozenset({"password"}))

    assert len(draft.decisions) >= 4
    for decision in draft.decisions:
        assert re.match(r"file:\d+: ", decision.told(Path("file"), draft.text)), decision


def test_a_draft_is_a_manifest(upstream: Upstream, workspace: Workspace) -> None:
    path = workspace.manifest(Version("2.4.3"))
    path.parent.mkdir(parents=True)
    path.write_text(drafted(upstream).text)

    stated = manifests.load(workspace, Version("2.4.3"))

    assert [str(python) for python in stated.pythons] == ["3.7", "3.8"]
    assert stated.extras == ("celery", "cncf.kubernetes")
    assert set(stated.left_out) == {"devel_all"}
    assert stated.cutoff == datetime(2022, 11, 21, tzinfo=UTC)
    assert stated.core.uploaded == UPLOADED
    assert stated.core.stamp is not None
    assert (stated.core.stamp.file, stated.core.stamp.line) == ("setup.py", "version = '2.4.3'")
    assert [entry.path for entry in stated.core.restore] == ["airflow/git_version"]
    assert [str(line) for line in stated.core.build_requires] == ["setuptools==63.4.3", "wheel"]


def test_a_provider_is_the_newest_that_was_there_at_the_cutoff_and_is_not_yanked(upstream: Upstream) -> None:
    assert '[providers]\ncelery = "3.1.0"\n' in drafted(upstream).text


def test_a_provider_that_is_not_for_every_python_of_the_release_is_not_taken(upstream: Upstream) -> None:
    listed = upstream.files["apache-airflow-providers-celery"]
    upstream.files["apache-airflow-providers-celery"] = [
        replace(file, requires_python="~=3.8" if file.version == "3.1.0" else "what?") for file in listed
    ]

    draft = drafted(upstream)

    assert '[providers]\ncelery = "3.0.0"\n' in draft.text
    assert draft.older == {"celery": ()}


def test_a_source_with_the_command_line_of_1_10_says_so(upstream: Upstream, tmp_path: Path) -> None:
    upstream.files.clear()
    whole = {"airflow/bin/cli.py": "", "apache_airflow-2.4.3.dist-info/METADATA": METADATA}
    upstream.add("apache-airflow", wheel(tmp_path / "old" / "apache_airflow-2.4.3-py3-none-any.whl", whole), "2.4.3")

    text = drafted(upstream, default_extras=frozenset()).text

    assert 'kind = "wheel"' in text
    assert 'command-line = "flat"' in text


def test_what_upstream_dropped_is_a_decision(upstream: Upstream) -> None:
    draft = drafted(upstream, default_extras=frozenset({"celery", "password"}))
    [decision] = draft.decisions
    assert decision.what == "default extras that upstream has no more under these names: password"
    number = draft.text.splitlines().index('default-extras = ["celery"]') + 1
    assert decision.told(Path("patches/2.4.3/release.toml"), draft.text) == (
        f"patches/2.4.3/release.toml:{number}: {decision.what}"
    )


def test_a_yanked_version_is_a_decision(upstream: Upstream) -> None:
    upstream.files["apache-airflow"][0] = replace(upstream.files["apache-airflow"][0], yanked=True)
    assert "upstream yanked this version: find out why" in asked(drafted(upstream))


def test_a_version_that_is_not_there_is_refused_with_those_of_its_line(upstream: Upstream) -> None:
    with pytest.raises(UpstreamError) as refused:
        drafted(upstream, "2.4.9")
    assert "has no apache-airflow 2.4.9" in refused.value.what
    assert refused.value.details == ("of that line it has 2.4.3",)


def test_a_version_without_a_wheel_is_refused(upstream: Upstream) -> None:
    upstream.files["apache-airflow"].pop(0)
    with pytest.raises(UpstreamError, match="has no wheel on the upstream index"):
        drafted(upstream)


def test_a_version_for_no_python_that_we_know_is_refused(upstream: Upstream, tmp_path: Path) -> None:
    upstream.files.clear()
    whole = {"apache_airflow-2.4.3.dist-info/METADATA": "Metadata-Version: 2.1\nName: apache-airflow\nVersion: 2.4.3\n"}
    upstream.add("apache-airflow", wheel(tmp_path / "old" / "apache_airflow-2.4.3-py3-none-any.whl", whole), "2.4.3")
    with pytest.raises(ManifestError, match=r"says of no Python from 3\.6 on"):
        drafted(upstream)


# --- later upstreams


def later(upstream: Upstream, folder: Path, metadata: str) -> None:
    """upstream has 2.4.3 with other metadata."""
    listed = upstream.files["apache-airflow"]
    whole = {"airflow/cli/cli_parser.py": "", "apache_airflow-2.4.3.dist-info/METADATA": metadata}
    made = wheel(folder / "later" / "apache_airflow-2.4.3-py3-none-any.whl", whole)
    listed[0] = replace(listed[0], sha256=digest(made))
    upstream.paths[made.name] = made


def test_extras_are_the_same_however_upstream_spells_them(upstream: Upstream, tmp_path: Path) -> None:
    """From 2.9 on their names are normalized (PEP 685)."""
    later(upstream, tmp_path, METADATA.replace("cncf.kubernetes", "cncf-kubernetes"))
    for version in ("4.4.0", "5.0.0"):
        name = f"apache_airflow_providers_cncf_kubernetes-{version}.whl"
        upstream.add("apache-airflow-providers-cncf-kubernetes", name, version)
    providers = {
        canonicalize_name(f"apache-airflow-providers-{name}"): Version("1.0.1")
        for name in ("celery", "cncf.kubernetes")
    }
    follows = manifest(providers=providers, default_extras=frozenset({"celery", "cncf.kubernetes"}))

    draft = drafts.draft(Version("2.4.3"), follows, upstream, upstream.fetch, TODAY)  # type: ignore[arg-type]

    assert 'default-extras = ["celery", "cncf-kubernetes"]' in draft.text
    assert 'cncf-kubernetes = "5.0.0"' in draft.text
    assert draft.decisions == ()


def test_an_airflow_whose_code_is_elsewhere_is_told_honestly(upstream: Upstream, tmp_path: Path) -> None:
    later(upstream, tmp_path, METADATA.replace("Provides-Extra: celery", "Requires-Dist: apache-airflow-core==3.1.0"))
    with pytest.raises(UpstreamError, match="holds no code: that is in apache-airflow-core") as refused:
        drafted(upstream)
    assert refused.value.details == ("apache-airflow-core==3.1.0",)


def test_a_pre_release_is_asked_about(upstream: Upstream) -> None:
    listed = upstream.files["apache-airflow"]
    upstream.files["apache-airflow"] = [replace(file, version="2.4.3rc1") for file in listed]
    assert "2.4.3rc1 is a pre-release: is the final one meant?" in asked(drafted(upstream, "2.4.3rc1"))
