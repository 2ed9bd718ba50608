"""All releases at once on a cluster: what failed is told, and is not tried again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from factories import manifest
from packaging.version import Version

from astronomer_certified.errors import BuildError, InstallError
from astronomer_certified.release.operations import Factory, Summary
from astronomer_certified.steps.progress import Quiet
from astronomer_certified.workspace import Workspace

VERSIONS = ("1.10.15", "2.0.2", "2.1.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried(Factory):
    """Operations that only say that they were asked for; `failing` has the errors of some."""

    failing: dict[tuple[str, str], Exception]
    asked: list[tuple[str, str]] = field(default_factory=list)

    def _asked(self, what: str, version: Version) -> Summary:
        self.asked.append((what, str(version)))
        if error := self.failing.get((what, str(version))):
            raise error
        stated = manifest()
        return Summary(release=stated.release, target=stated.target, installed=True, rows=(), not_done=(), timings=())

    def publish(self, version: Version) -> Summary:
        """Asked for."""
        return self._asked("publish", version)

    def operate_all(self, version: Version) -> Summary:
        """Asked for."""
        return self._asked("operate", version)

    def certify(self, version: Version) -> Summary:
        """Asked for."""
        return self._asked("certify", version)


@pytest.fixture
def here(workspace: Workspace) -> Workspace:
    """A project with three releases."""
    for version in VERSIONS:
        (workspace.manifest(Version(version)).parent).mkdir(parents=True)
        workspace.manifest(Version(version)).touch()
    assert [str(version) for version in workspace.versions()] == list(VERSIONS)
    return workspace


def test_what_failed_on_the_cluster_is_told_and_not_tried_again(here: Workspace) -> None:
    cluster: Any = object()
    wheel, level = BuildError("no wheel"), InstallError("level full: pages by role failed")
    factory = Tried(
        workspace=here, jobs=1, watcher=Quiet(), cluster=cluster,
        failing={("publish", "1.10.15"): wheel, ("operate", "2.0.2"): level},
    )  # fmt: skip

    outcomes = factory.certify_all()

    assert [(outcome.version, outcome.error) for outcome in outcomes] == [
        ("1.10.15", wheel),
        ("2.0.2", level),
        ("2.1.0", None),
    ]
    assert outcomes[1].result == "FAILED: level full: pages by role failed"
    assert sorted(factory.asked) == sorted(
        [
            *(("publish", version) for version in VERSIONS),
            ("operate", "2.0.2"),
            ("operate", "2.1.0"),
            ("certify", "2.1.0"),
        ]
    )


def test_without_a_cluster_each_release_is_certified_once(here: Workspace) -> None:
    factory = Tried(workspace=here, jobs=2, watcher=Quiet(), failing={})

    assert [outcome.version for outcome in factory.certify_all()] == list(VERSIONS)
    assert sorted(factory.asked) == [("certify", version) for version in VERSIONS]
