"""certificates/ -> the kept certificate of a release, and whether it speaks of what is here now. Only reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from .artifacts import Release
from .effects import sha256_of
from .errors import ManifestError
from .workspace import Workspace

Certificate = Mapping[str, Any]


def kept(workspace: Workspace, release: Release) -> Certificate | None:
    """The certificate that the project keeps of a release; None when it keeps none.

    Raises `ManifestError` for one that cannot be read.
    """
    path = workspace.kept_certificate(release)
    try:
        return cast(Certificate, json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except ValueError as err:
        raise ManifestError(f"{path} is not JSON", details=[str(err)], hint="git checkout it") from err


def is_current(workspace: Workspace, certificate: Certificate) -> bool:
    """Whether manifest, series, patches and constraints are still those that the certificate speaks of."""
    files = {workspace.root / name: sha256 for name, sha256 in certificate.get("constraints", {}).items()}
    return bool(files) and all(path.is_file() and sha256_of(path) == sha256 for path, sha256 in files.items())
