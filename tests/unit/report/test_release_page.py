"""The page that shows all releases: what it says comes from manifests and certificates, and it is current."""

from __future__ import annotations

from dataclasses import replace

from factories import ROOT, certificate, manifest
from packaging.utils import canonicalize_name
from packaging.version import Version

from astronomer_certified.artifacts import NotDone
from astronomer_certified.certify.certificate import Install, Installers, InstallerTrial
from astronomer_certified.certify.checks import CheckResult
from astronomer_certified.image.image_certificate import ImageCertificate, ImageCheck, ImageNotDone
from astronomer_certified.release import showing
from astronomer_certified.report import release_page
from astronomer_certified.report.release_page import Entry
from astronomer_certified.workspace import Workspace

CERTIFICATE = certificate(
    patches=("0001-a.patch", "0002-b.patch"),
    installs=(
        Install(
            requirement="astronomer-certified[celery]==2.1.0.*",
            python="3.8.18",
            pip="23.3.2",
            checks=(
                CheckResult(name="pip install", seconds=31.5, seen=""),
                CheckResult(name="pip check", seconds=1, seen=""),
            ),
        ),
    ),
    installers=(
        Installers(
            requirement="astronomer-certified[celery]==2.1.0.*",
            python="3.8.18",
            trials=(
                InstallerTrial(installer="pip 20.3.4", seconds=40.0),
                InstallerTrial(installer="uv 0.9.1", seconds=3.0),
                InstallerTrial(installer="pip 9.0.3", seconds=50.0),
            ),
        ),
        Installers(
            requirement="astronomer-certified[celery]==2.1.0.*",
            python="3.6.15",
            trials=(
                InstallerTrial(installer="pip 9.0.3", seconds=70.0),
                InstallerTrial(installer="uv 0.9.1", seconds=4.0),
            ),
        ),
    ),
    not_done=(NotDone(what="install of [default] on Python 3.7", why="no such CPython", how="get it", python="3.7"),),
)


def test_the_page_of_this_repository_is_current() -> None:
    assert (ROOT / "docs" / "releases.md").read_text() == showing.releases_page(Workspace.at(ROOT)), (
        "make releases-page"
    )


def test_installs_that_were_made_and_those_that_were_not_are_shown() -> None:
    page = release_page.page([Entry(manifest=manifest(), certificate=CERTIFICATE)])

    assert "| 2.1.0-4 | 3.6, 3.7, 3.8 | 2021-05-28 | 2 | 2 | `certificates/certificate-2.1.0-4.json` |" in page
    assert "| 2.1.0-4 | 3.8.18 | `astronomer-certified[celery]==2.1.0.*` | 23.3.2 | 2 hold | 31.5 s |" in page
    assert "| 2.1.0-4 | 3.7 | install of [default] on Python 3.7 |  | not done |  |" in page


def test_installers_stand_in_the_order_of_their_versions_pips_first() -> None:
    page = release_page.page([Entry(manifest=manifest(), certificate=CERTIFICATE)])

    assert "| release | pip 9.0.3 | pip 20.3.4 | uv 0.9.1 |" in page
    assert "| 2.1.0-4 on 3.6 | 70.0 s | - | 4.0 s |\n| 2.1.0-4 on 3.8 | 50.0 s | 40.0 s | 3.0 s |" in page


def test_a_release_without_a_certificate_says_so() -> None:
    assert "| 2.1.0-4 | 3.6, 3.7, 3.8 | 2021-05-28 |  | 2 | none yet |" in release_page.page(
        [Entry(manifest=manifest())]
    )


def test_what_a_certificate_tells_nothing_of_is_said_and_not_left_empty() -> None:
    empty = Install(requirement="astronomer-certified[celery]==2.1.0.*", python="3.8.18", pip="23.3.2", checks=())
    untried = ("levels: none tried", "proofs: none tried")
    entry = Entry(manifest=manifest(), certificate=replace(CERTIFICATE, installs=(empty,)), untried=untried)
    page = release_page.page([entry])

    assert "json`, not whole: levels: none tried; proofs: none tried |" in page
    assert "| 2.1.0-4 |  | none tried |  |  |  |" in page
    assert "| 2.1.0-4 | 3.8.18 | `astronomer-certified[celery]==2.1.0.*` | 23.3.2 | none tried | - |" in page


def test_a_stale_certificate_is_said_and_not_shown() -> None:
    page = release_page.page([Entry(manifest=manifest(), stale=True)])
    assert "| stale: what went into it has changed |" in page


def test_images_are_shown_those_of_other_wheels_as_stale() -> None:
    image = ImageCertificate(
        format=1, release="2.1.0-4", suite="bookworm", python="3.8.18", digest="sha256:aa", onbuild_digest="sha256:bb",
        wheels={
            "apache-airflow": CERTIFICATE.core.sha256,
            "astronomer-certified": CERTIFICATE.certified_wheel.sha256,
        },
        size=1_026_400_000, sent=299_600_000, tools=("podman 4.3.1",),
        checks=(ImageCheck(name="it runs", seconds=1.0),), not_done=(ImageNotDone(name="a task", why="no network"),),
    )  # fmt: skip

    def page(**parts: object) -> str:
        entry = Entry(manifest=manifest(), certificate=CERTIFICATE, images=(image,))
        return release_page.page([replace(entry, **parts)])

    held = "| `2.1.0-4-bookworm` | 3.8.18 | 1 hold | a task: no network | 1026 | 300 | `sha256:aa` |"
    stale = "| `2.1.0-4-bookworm` | 3.8.18 | stale: of other wheels |"
    assert held in page()
    assert stale in page(images=(replace(image, wheels={"apache-airflow": "other"}),))
    assert stale in page(certificate=None)
    assert "| 2.1.0-4 |  | none yet |" in page(images=())


def test_what_the_document_says_of_1_10_stands_beside_what_is_installed() -> None:
    backport = canonicalize_name("apache-airflow-backport-providers-celery")
    old = replace(
        manifest(),
        providers={backport: Version("2021.3.17")},
        documented_providers={"celery": Version("1.0.0"), "google": Version("1.0.0")},
        left_out={"devel": "tools", "doc": "tools", "snowflake": "conflict"},
    )

    page = release_page.page([Entry(manifest=old, certificate=CERTIFICATE)])

    assert "| `celery` | 1.0.0 → backport 2021.3.17 |" in page
    assert "| `google` | 1.0.0 → in the core |" in page
    assert "| 2.1.0 | `devel`, `doc` | tools |" in page
