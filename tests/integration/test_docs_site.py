"""The site of the documentation: what `make docs` must refuse. It builds; the environment is the one that it made."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from documented import ROOT, repository_copy

MKDOCS = ROOT / ".venv-docs" / "bin" / "mkdocs"

pytestmark = pytest.mark.skipif(not MKDOCS.exists(), reason="no environment for the documentation: make docs")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this repository, whose pages a test may change and must put right again."""
    return repository_copy(tmp_path_factory.mktemp("site") / "copy")


def built(copy: Path) -> subprocess.CompletedProcess[str]:
    words = [MKDOCS, "build", "--strict"]
    env = {"PATH": os.environ["PATH"], "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(words, cwd=copy, env=env, capture_output=True, text=True, check=False)


def test_the_files_about_the_project_are_pages_that_links_lead_to(copy: Path) -> None:
    done = built(copy)

    assert done.returncode == 0, done.stderr
    site = copy / "site"
    assert 'href="CONTRIBUTING.html#a-patch-in-ten-minutes"' in (site / "about.html").read_text()
    assert 'href="CONTRIBUTING.html"' in (site / "architecture.html").read_text()
    assert 'href="decisions/index.html"' in (site / "CONTRIBUTING.html").read_text()


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("[gone](gone.md)\n", "gone.md"),
        ("[gone](patches.md#gone)\n", "#gone"),
        ("[gone](../GONE.md)\n", "GONE.md"),
        ("![from elsewhere](https://pictures.example/one.png)\n", "the site would fetch from elsewhere"),
    ],
)
def test_what_leads_nowhere_or_elsewhere_is_refused(copy: Path, added: str, said: str) -> None:
    page = copy / "docs" / "auditors.md"
    text = page.read_text()
    page.write_text(text + "\n" + added)

    done = built(copy)

    page.write_text(text)
    assert done.returncode != 0
    assert said in done.stderr + done.stdout


def test_a_page_that_is_in_no_menu_is_refused(copy: Path) -> None:
    page = copy / "docs" / "alone.md"
    page.write_text("# Alone\n")

    done = built(copy)

    page.unlink()
    assert done.returncode != 0
    assert "alone.md" in done.stderr + done.stdout
