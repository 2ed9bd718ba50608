"""Images of releases are made, run, pushed to a registry of their own and pulled again; certificates/ keeps what held.

    python scripts/certify_images.py [VERSION ...]

Without a VERSION it is done for every release, one after another. An image that fails keeps the others from nothing;
the status says so at the end. docs/releases.md shows them all afterwards.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.version import InvalidVersion, Version

from astronomer_certified.effects.disk import write_atomic
from astronomer_certified.errors import CertifiedError
from astronomer_certified.image import image_certificate
from astronomer_certified.project import manifest
from astronomer_certified.release import showing
from astronomer_certified.release.imaging import DEFAULT_SUITE
from astronomer_certified.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
TESTS = ("tests/certification/test_image.py", "tests/certification/test_compose.py")


def certified(workspace: Workspace, version: Version) -> str:
    """Where the certificate of the image is now, and what it says in a line."""
    release = manifest.load(workspace, version).release
    with tempfile.TemporaryDirectory(prefix="certified-") as folder:
        report = Path(folder) / "report.xml"
        words = [sys.executable, "-m", "pytest", "-q", "--junitxml", str(report), *TESTS]
        subprocess.run(words, cwd=ROOT, env={**os.environ, "CERTIFIED_IMAGE_VERSION": str(version)}, check=False)
        if not report.exists():
            raise CertifiedError(f"the tests of the image of {version} were not run", hint="what pytest said is above")
        found = image_certificate.of_report(release, DEFAULT_SUITE, report.read_text(encoding="utf-8"))
    path = image_certificate.path_of(workspace, release, DEFAULT_SUITE)
    write_atomic(path, image_certificate.rendered(found).encode())
    return f"{path.relative_to(ROOT)}: {len(found.checks)} hold, {len(found.not_done)} not done"


def main(words: list[str]) -> int:
    workspace, status = Workspace.at(ROOT), 0
    try:
        versions = [Version(word) for word in words] or workspace.versions()
    except InvalidVersion as err:
        print(err, file=sys.stderr)
        return 2
    for version in versions:
        print(f"image of {version}", file=sys.stderr, flush=True)
        try:
            print(certified(workspace, version), flush=True)
        except CertifiedError as err:
            print(err, file=sys.stderr, flush=True)
            status = 1
    write_atomic(ROOT / "docs" / "releases.md", showing.releases_page(workspace).encode())
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
