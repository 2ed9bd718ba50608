"""scripts/certify_images.py: what held of an image is kept, and nothing of one that failed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from fake_project import VERSION, Project

from documented import ROOT

# In place of the tests that make and run an image. They record what those do, and hold as long as no file forbids it.
TESTS = """
import os
from pathlib import Path
import pytest

PROPERTIES = {
    "python": "3.8.18", "tool podman": "4.3.1", "size": 1000, "sent": 300,
    "digest": "sha256:aa", "onbuild digest": "sha256:bb",
    "wheel apache-airflow": "a" * 64, "wheel astronomer-certified": "b" * 64,
}

def test_it_runs(record_testsuite_property):
    assert os.environ["CERTIFIED_IMAGE_VERSION"] == "9.9.9"
    for name, value in PROPERTIES.items():
        record_testsuite_property(name, value)
    assert not Path("fails").exists()
"""
SKIPPED = 'import pytest\n\ndef test_a_task():\n    pytest.skip("no network")\n'


def certify(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    script = project.root / "scripts" / "certify_images.py"
    return subprocess.run([sys.executable, script, *words], capture_output=True, text=True, check=False)


def test_what_held_of_an_image_is_kept_and_shown_and_a_failure_keeps_what_was(
    template: Project, tmp_path: Path
) -> None:
    project = template.copy(tmp_path / "project")
    for folder in ("scripts", "docs", "tests/certification", "certificates"):
        (project.root / folder).mkdir(parents=True, exist_ok=True)
    (project.root / "scripts" / "certify_images.py").write_bytes((ROOT / "scripts" / "certify_images.py").read_bytes())
    (project.root / "tests" / "certification" / "test_image.py").write_text(TESTS)
    (project.root / "tests" / "certification" / "test_compose.py").write_text(SKIPPED)

    done = certify(project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"certificates/image-{VERSION}-1-bookworm.json: 1 hold, 1 not done"
    kept = project.root / "certificates" / f"image-{VERSION}-1-bookworm.json"
    said = json.loads(kept.read_text())
    assert [check["name"] for check in said["checks"]] == ["it runs"]
    assert [(item["name"], "no network" in item["why"]) for item in said["not_done"]] == [("a task", True)]
    assert (said["digest"], said["tools"]) == ("sha256:aa", ["podman 4.3.1"])
    # The release has no certificate, so its image speaks of other wheels.
    assert (
        f"`{VERSION}-1-bookworm` | 3.8.18 | stale: of other wheels" in (project.root / "docs/releases.md").read_text()
    )

    (project.root / "fails").write_text("")
    before = kept.read_text()
    done = certify(project, VERSION)
    assert done.returncode == 1
    assert f"the image of {VERSION}-1 is not certified: 1 of its tests do not hold\n  it runs" in done.stderr
    assert kept.read_text() == before
    assert certify(project, "no version").returncode == 2
