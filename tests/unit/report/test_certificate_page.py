"""What a terminal shows of a certificate: all that was tried, and nothing wider than the terminal."""

from __future__ import annotations

from factories import certificate

from astronomer_certified.artifacts import NotDone
from astronomer_certified.certify.certificate import Install, LevelDifference, LevelReached
from astronomer_certified.certify.checks import CheckResult
from astronomer_certified.report import certificate_page
from astronomer_certified.report.current import Found

WIDE = " ".join(["/home"] * 60)
CERTIFICATE = certificate(
    installs=(
        Install(
            requirement="astronomer-certified[celery]==2.1.0.*",
            python="3.8.18",
            pip="23.3.2",
            checks=(CheckResult(name="pip check", seconds=1, seen="No broken requirements found."),),
        ),
    ),
    levels=(
        LevelReached(
            level="full",
            requirement="astronomer-certified[postgres]==2.1.0.*",
            python="3.8.18",
            install_seconds=4.5,
            checks=(CheckResult(name="pages by role", seconds=6.3, seen=f"Admin: 200 {WIDE}"),),
            differences=(
                LevelDifference(
                    check="pages by role",
                    part="Public /home",
                    upstream="circle",
                    certified="403",
                    patch="0044-send-nobody-in-circles.patch",
                ),
                LevelDifference(
                    check="pages by role",
                    part="Public /tree",
                    upstream="circle",
                    certified="403",
                    patch="0044-send-nobody-in-circles.patch",
                ),
            ),
        ),
    ),
    not_done=(NotDone(what="services on Python 3.8", why="no Redis is on this machine", how="apt-get install it"),),
)


def test_everything_is_shown_within_the_width_of_a_terminal() -> None:
    page = certificate_page.page(Found(certificate=CERTIFICATE, current=True, untried=()))
    words = " ".join(page.split())

    assert page.startswith("2.1.0-4\n")
    # A file and its sha256 stay on one line.
    assert max(len(line) for line in page.splitlines() if ".whl" not in line) <= 110
    for shown in (
        "astronomer-certified[celery]==2.1.0.*, Python 3.8.18, pip 23.3.2",
        "pip check 1.0 No broken requirements found.",
        "level full: astronomer-certified[postgres]==2.1.0.*, Python 3.8.18, uv (4.5 s)",
        "pages by role: upstream 'circle', here '403' of Public /home, Public /tree: 0044-send-nobody-in-circles.patch",
        "NOT DONE (1) services on Python 3.8: no Redis is on this machine; apt-get install it",
        "0 proofs fail on upstream and pass here, Python 3.8.18",
    ):
        assert shown in words
    assert words.count("/home") == 61


def test_a_certificate_that_speaks_of_other_files_is_called_stale() -> None:
    page = certificate_page.page(Found(certificate=CERTIFICATE, current=False, untried=()))
    assert page.splitlines()[0] == "2.1.0-4 (STALE: what went into it has changed)"


def test_what_was_not_tried_is_said_and_which_certificate_is_shown() -> None:
    found = Found(certificate=CERTIFICATE, current=True, untried=("levels: none tried",), instead=True)
    first, second, *rest = certificate_page.page(found).splitlines()

    assert first == "2.1.0-4"
    assert second == "  the certificate that the project keeps: that of the last run here is stale, or says less"
    assert "NOT TRIED (1), though a release that is certified has it: certified certify VERSION" in rest
    assert "  levels: none tried" in rest
