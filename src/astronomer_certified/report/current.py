"""A certificate and what the project has -> whether it still speaks of that."""

from __future__ import annotations

import tempfile
from pathlib import Path

from astronomer_certified.advisories import told
from astronomer_certified.artifacts import Manifest
from astronomer_certified.build import certified_wheel
from astronomer_certified.certify import certificate
from astronomer_certified.certify.certificate import Certificate
from astronomer_certified.closure.constraints import Committed
from astronomer_certified.patches.series import Carried
from astronomer_certified.workspace import Workspace


def is_current(workspace: Workspace, stated: Manifest, found: Certificate) -> bool:
    """Whether the release that a certificate speaks of is what would be made now.

    Its files must be as they were, and the certified wheel must come out with the same bytes: that tells of advisories,
    too, which are no files of the release. Raises `ConstraintsError`, and what reading a series raises.
    """
    if not certificate.is_current(workspace, found, certified_wheel.payload()):
        return False
    committed = Committed(workspace.constraints(stated.release.upstream), stated.pythons)
    known = told.of(workspace, stated, Carried(stated.distributions))
    with tempfile.TemporaryDirectory(prefix="certified-") as folder:
        made = certified_wheel.build(stated, committed.every(), known, Path(folder))
    return made.sha256 == found.certified_wheel.sha256
