"""The name of an image in a registry -> what is there. Asks with skopeo, or with docker where that makes the images.

Both know the login that was made for the builder (`docker login`, `podman login`, `buildah login`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any

from astronomer_certified.effects.processes import pipe, run
from astronomer_certified.errors import CommandFailed, EnvironmentMissing

from .builders import Builder, environment, tls

# How registries (MANIFEST_UNKNOWN, NAME_UNKNOWN of the OCI distribution specification) and docker say: a name is free.
_FREE = ("manifest unknown", "name unknown", "no such manifest", "repository name not known")
_DENIED = (
    "unauthorized",
    "authentication required",
    "denied",
    "forbidden",
    "code: 401",
    "code: 403",
    "status: 401",
    "status: 403",
)
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
        said = _answer(
            [builder.program, "manifest", "inspect", "--verbose", *["--insecure"] * is_plain, name], builder, name
        )
        return None if said is None else _by_docker(_read(said))
    program = which("skopeo")
    if program is None:
        raise EnvironmentMissing(
            "skopeo, which asks registries what they have, is not here",
            hint="on Debian: apt-get install --no-install-recommends skopeo",
        )
    words = [
        program,
        "inspect",
        "--raw",
        tls(is_plain=is_plain),
        f"docker://{name}",
        f"--command-timeout={_TIMEOUT:g}s",
    ]
    said = _answer(words, builder, name)
    if said is None:
        return None
    return Known(digest=f"sha256:{hashlib.sha256(said).hexdigest()}", id=_id(_read(said)))


def _read(said: bytes) -> Any:
    try:
        return json.loads(said)
    except ValueError as err:
        raise _no_manifest(said) from err


def _by_docker(said: Any) -> Known:
    if isinstance(said, list) and said:
        return Known(digest=None, id=None)
    descriptor = said.get("Descriptor") if isinstance(said, dict) else None
    if not isinstance(descriptor, dict) or not isinstance(descriptor.get("digest"), str):
        raise _no_manifest(said)
    manifest = said.get("OCIManifest") or said.get("SchemaV2Manifest")
    return Known(digest=descriptor["digest"], id=None if manifest is None else _id(manifest))


def _id(manifest: Any) -> str | None:
    """The digest of the configuration that a manifest names; None for a list of images, and for the first format."""
    if isinstance(manifest, dict):
        config = manifest.get("config")
        if isinstance(config, dict) and isinstance(config.get("digest"), str):
            return str(config["digest"])
        if isinstance(manifest.get("manifests", manifest.get("fsLayers")), list):
            return None
    raise _no_manifest(manifest)


def _no_manifest(said: object) -> CommandFailed:
    text = said.decode(errors="replace") if isinstance(said, bytes) else json.dumps(said)
    return CommandFailed("the registry's answer is no manifest", details=[text[:200]])


def _answer(words: Sequence[str | Path], builder: Builder, name: str) -> bytes | None:
    """What was said, as it came: a digest is that of the bytes."""
    env = environment(builder.name)
    if builder.name == "docker":
        answer = run(words, env=env, timeout=_TIMEOUT, check=False)
        status, said, complained = answer.returncode, answer.stdout.encode(), answer.stderr
    else:
        asked = pipe(words, cwd=Path(), env=env, statuses=range(256))
        status, said, complained = asked.returncode, asked.stdout, asked.stderr.decode(errors="replace")
    if status == 0:
        return said
    told = complained.replace(name, "").lower()
    # Who may not look is told by some that there is nothing.
    if any(free in told for free in _FREE) and not any(denied in told for denied in _DENIED):
        return None
    raise CommandFailed(
        f"the registry does not say what it has as {name}",
        details=complained.strip().splitlines()[-3:],
        hint="is its name right, and is somebody logged in?",
    )
