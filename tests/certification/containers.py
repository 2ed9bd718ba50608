"""podman and the image of a release: podman runs what buildah made, as they share a store.

The release is 2.1.0, or the one that the variable CERTIFIED_IMAGE_VERSION names (`make image-all`).
"""

from __future__ import annotations

import os
import subprocess

from packaging.version import Version

from astronomer_certified.project import manifest
from astronomer_certified.workspace import Workspace
from documented import ROOT

VERSION = os.environ.get("CERTIFIED_IMAGE_VERSION", "2.1.0")
RELEASE = manifest.load(Workspace.at(ROOT), Version(VERSION)).release
# 1.10 has other words for its commands, and a website without roles by default.
IS_OLD = RELEASE.upstream.major == 1
NAME = f"localhost/ap-airflow:{RELEASE.tag}-bookworm"

# podman asks for the highest limits by itself, which a container on a machine of others may not have.
LIMITS = {"nofile": "1024:1024", "nproc": "4096:4096"}
RUN = ("run", "--network", "host", *(f"--ulimit={name}={limit}" for name, limit in LIMITS.items()))


def podman(*words: str, status: int = 0, settings: dict[str, str] | None = None) -> str:
    """What it printed; with another status than 0 also what it printed to stderr. `settings` is its environment."""
    done = subprocess.run(
        ["podman", *words], env=settings, capture_output=True, text=True, check=False, timeout=600
    )  # fmt: skip
    assert done.returncode == status, f"{words}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout + (done.stderr if status else "")


def run(*words: str, status: int = 0) -> str:
    """What a container printed that ended with that status."""
    return podman(*RUN, "--rm", *words, status=status)
