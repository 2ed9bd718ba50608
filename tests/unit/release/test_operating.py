"""A release in operation: what keeps a level from being tried, and which differences from upstream have a reason."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from factories import manifest
from packaging.version import Version

from astronomer_certified.artifacts import NotDone, Python, Release, Target
from astronomer_certified.certify.level import Level
from astronomer_certified.certify.levels import EXTRAS, Contrast, Seen
from astronomer_certified.errors import InstallError
from astronomer_certified.release.stages import operating
from astronomer_certified.workspace import Workspace

SERVICES = """\
[PostgreSQL]
programs = ["sh"]
package = "postgresql"

[Redis]
programs = ["no-such-server"]
package = "redis-server"
"""
DIFFERENCES = """\
[[differences]]
check = "pages by role"
part = "Public *"
upstream = "circle"
ours = "403"
patch = "send-nobody-in-circles"
why = "a browser gives up"
"""
CIRCLE = Contrast(check="pages by role", part="Public /home", upstream="circle", certified="403")
TITLE = NotDone(what="services on Python 3.8", why="", how="", kind="level")


def run(root: Path, **values: Any) -> Any:
    (root / "constraints").mkdir()
    (root / "constraints" / "services.toml").write_text(SERVICES)
    (root / "patches").mkdir()
    (root / "patches" / "differences.toml").write_text(DIFFERENCES)
    stated = manifest()
    return SimpleNamespace(
        workspace=Workspace.at(root), manifest=stated, release=stated.release, cluster=None, **values
    )


def trial(root: Path, *patches: str, earlier: Release | None = None) -> Any:
    carried: Any = SimpleNamespace(of=lambda _: [SimpleNamespace(name=name) for name in patches])
    target = Target(python=Python(3, 8), extras=EXTRAS)
    return operating._Trial(run(root), carried, target, Level.FULL, earlier)


def test_only_the_core_wheel_and_the_certified_wheel_of_the_release_are_asked_for_by_their_bytes(
    tmp_path: Path,
) -> None:
    names = (
        "apache_airflow-2.1.0+astro.4-py3-none-any.whl", "astronomer_certified-2.1.0.post4-py3-none-any.whl",
        # Of other revisions, of what is repaired, and of others that the index has, too.
        "astronomer_certified-2.1.0.post3-py3-none-any.whl", "celery-4.4.7+astro.1-py2.py3-none-any.whl",
        "celery-4.4.7-py2.py3-none-any.whl", "dill-0.3.1.1.tar.gz",
    )  # fmt: skip
    outputs = [SimpleNamespace(path=tmp_path / name, sha256=name[:6] * 2) for name in names]
    done: Any = {"publish": SimpleNamespace(outputs=outputs)}

    assert operating._own_wheels(run(tmp_path), done) == {
        "apache-airflow==2.1.0+astro.4": "apacheapache",
        "astronomer-certified==2.1.0.post4": "astronastron",
    }


def test_a_level_without_its_servers_is_not_done_and_says_how_to_get_them(tmp_path: Path) -> None:
    here = run(tmp_path)

    assert operating._server_lacking(here, TITLE, Level.FULL) is None
    lack = operating._server_lacking(here, TITLE, Level.SERVICES)
    assert lack is not None
    assert lack.what == "services on Python 3.8"
    assert lack.why == "no Redis is on this machine"
    assert lack.how.startswith("apt-get install redis-server")


def test_what_this_machine_lacks_others_may_have(tmp_path: Path) -> None:
    here = run(tmp_path)
    here.cluster = object()

    assert operating._server_lacking(here, TITLE, Level.SERVICES) is None


def test_a_difference_names_the_patch_that_is_its_reason(tmp_path: Path) -> None:
    [explained] = trial(tmp_path, "0044-send-nobody-in-circles.patch")._explained([CIRCLE])

    assert explained["patch"] == "0044-send-nobody-in-circles.patch"
    assert (explained["upstream"], explained["certified"]) == ("circle", "403")


@pytest.mark.parametrize(
    ("patches", "contrast"),
    [
        ((), CIRCLE),
        (
            ("0044-send-nobody-in-circles.patch",),
            Contrast(check="pages by role", part="Op /home", upstream="circle", certified="403"),
        ),
        (
            ("0044-send-nobody-in-circles.patch",),
            Contrast(check="pages by role", part="Public /home", upstream="200", certified="403"),
        ),
    ],
    ids=["a series without the patch", "another part", "another thing seen"],
)
def test_a_difference_without_a_reason_fails_the_level(
    tmp_path: Path, patches: tuple[str, ...], contrast: Contrast
) -> None:
    with pytest.raises(InstallError, match="1 differences from upstream that no patch explains") as caught:
        trial(tmp_path, *patches)._explained([contrast])
    assert contrast.part in str(caught.value)
    assert "differences.toml" in str(caught.value)


def test_what_was_not_tried_is_not_done(tmp_path: Path) -> None:
    lacking = trial(tmp_path, earlier=Release(Version("2.0.2"), 1))
    seen = Seen(checks=(), contrasts=(), lacking={"a run through the broker": ("Redis",)})

    assert [(item.what, item.why) for item in lacking._not_done(seen)] == [
        ("a run through the broker (full on Python 3.8)", "no Redis is on this machine"),
        ("database of 2.0.2 upgraded (full on Python 3.8)", "the index has no 2.0.2-1"),
    ]


def test_the_release_before_is_that_of_the_same_line(tmp_path: Path) -> None:
    here = Workspace.at(Path(__file__).parents[3])

    def before(version: str) -> str | None:
        found = operating.before(here, Release(Version(version), 1))
        return str(found.upstream) if found else None

    assert [before(version) for version in ("2.1.0", "2.0.0", "1.10.15", "1.10.7")] == ["2.0.2", None, "1.10.14", None]
