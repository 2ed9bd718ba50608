"""The name of an image in a registry -> what is there. Asks with skopeo, or with docker where that makes the images.

Both know the login that was made for the builder (`docker login`, `podman login`, `buildah login`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any

from astronomer_certified.effects.processes import run
from astronomer_certified.errors import CommandFailed, EnvironmentMissing

from .builders import Builder, environment, tls

# How registries (MANIFEST_UNKNOWN, NAME_UNKNOWN of the OCI distribution specification) and docker say: a name is free.
_FREE = ("manifest unknown", "name unknown", "no such manifest", "repository name not known")
_TIMEOUT = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An image in a registry: the digests of its manifest, by which it is pulled, and of its configuration, which is
    its ID in a store. Both begin with `sha256:`. A list of images for many machines has no ID, and docker does not tell
    its digest."""

    digest: str | None
    id: str | None

    def is_the(self, image: str) -> bool:
        """Whether it is the one with that ID in a store; some stores take the manifest's digest for it."""
        return image in (self.id, self.digest)


def known(builder: Builder, name: str, *, is_plain: bool) -> Known | None:
    """What a registry has under a name; None when that is free. CommandFailed when the registry does not say."""
    if builder.name == "docker":
        said = _answer([builder.program, "manifest", "inspect", "--verbose", *["--insecure"] * is_plain, name], builder)
        return None if said is None else _by_docker(_read(said))
    program = which("skopeo")
    if program is None:
        raise EnvironmentMissing(
            "skopeo, which asks registries what they have, is not here",
            hint="on Debian: apt-get install --no-install-recommends skopeo",
        )
    said = _answer([program, "inspect", "--raw", tls(is_plain=is_plain), f"docker://{name}"], builder)
    if said is None:
        return None
    digest = f"sha256:{hashlib.sha256(said.encode()).hexdigest()}"
    return Known(digest=digest, id=_read(said).get("config", {}).get("digest"))


def _read(said: str) -> Any:
    try:
        return json.loads(said)
    except ValueError as err:
        raise CommandFailed("the registry's answer is no manifest", details=[said[:200]]) from err


def _by_docker(said: Any) -> Known:
    if isinstance(said, list):
        return Known(digest=None, id=None)
    manifest = said.get("OCIManifest") or said.get("SchemaV2Manifest") or {}
    return Known(digest=said["Descriptor"]["digest"], id=manifest.get("config", {}).get("digest"))


def _answer(words: list[str | Path], builder: Builder) -> str | None:
    asked = run(words, env=environment(builder.name), timeout=_TIMEOUT, check=False)
    if asked.returncode == 0:
        return asked.stdout
    lines = asked.stderr.strip().splitlines()
    if any(free in asked.stderr.lower() for free in _FREE):
        return None
    raise CommandFailed(
        "the registry does not say what it has",
        details=lines[-3:],
        hint="is its name right, and is somebody logged in?",
    )
