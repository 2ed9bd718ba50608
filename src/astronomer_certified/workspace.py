"""Where each product of a release lives: paths only; looks, and touches nothing."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName
from packaging.version import InvalidVersion, Version

from astronomer_certified.artifacts import Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """The folders of one project: what humans wrote below `root`, what the tool makes below the others."""

    root: Path
    build: Path
    dist: Path
    index: Path
    cache: Path

    @classmethod
    def at(cls, root: Path) -> Workspace:
        """The workspace of a project folder; the cache is the user's own (XDG base directory specification)."""
        cache_home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        cache = os.environ.get("CERTIFIED_CACHE_DIR") or Path(cache_home) / "astronomer-certified"
        return cls(
            root=root,
            build=root / "build",
            dist=root / "dist",
            index=Path(os.environ.get("CERTIFIED_INDEX_DIR") or root / "index"),
            cache=Path(cache).absolute(),
        )

    # What humans wrote.

    def versions(self) -> tuple[Version, ...]:
        """Every upstream version that patches/ has a release of; other folders, as drafts, are left out."""
        found = []
        for path in (self.root / "patches").glob("*/release.toml"):
            with contextlib.suppress(InvalidVersion):
                found.append(Version(path.parent.name))
        return tuple(sorted(found))

    def manifest(self, version: Version) -> Path:
        """patches/X.Y.Z/release.toml, whether it is there or not."""
        return self.root / "patches" / str(version) / "release.toml"

    def distribution(self, name: NormalizedName, version: Version) -> Path:
        """The distribution.toml of a repaired distribution."""
        return self.root / "patches" / name / str(version) / "distribution.toml"

    @property
    def proofs(self) -> Path:
        """The folder of the proofs."""
        return self.root / "patches" / "proofs"

    def constraints(self, version: Version) -> Path:
        """The folder of the committed constraints of an upstream version."""
        return self.root / "constraints" / str(version)

    @property
    def recipes(self) -> Path:
        """What builds of the wheelhouse need: constraints/builds.toml."""
        return self.root / "constraints" / "builds.toml"

    @property
    def toolchain(self) -> Path:
        """The hashed build requirements of the wheelhouse."""
        return self.root / "constraints" / "toolchain.txt"

    @property
    def native_libraries(self) -> Path:
        """The C libraries that compiled wheels hold inside."""
        return self.root / "constraints" / "native.toml"

    @property
    def native_patches(self) -> Path:
        """The folder of our own patches of those libraries."""
        return self.root / "constraints" / "native"

    @property
    def compilers(self) -> Path:
        """The hashed requirements of the compiler that makes all machine code."""
        return self.root / "constraints" / "compilers.txt"

    @property
    def tool_requirements(self) -> Path:
        """The hashed pins of what the tool itself needs."""
        return self.root / "requirements" / "dev.txt"

    @property
    def services(self) -> Path:
        """The servers that certification puts beside a release."""
        return self.root / "constraints" / "services.toml"

    @property
    def differences(self) -> Path:
        """What releases in operation do otherwise than upstream, with the reason."""
        return self.root / "patches" / "differences.toml"

    def kept_certificate(self, release: Release) -> Path:
        """The certificate of a release that the project keeps."""
        return self.root / "certificates" / f"certificate-{release.tag}.json"

    @property
    def installers(self) -> Path:
        """The folder of hashed pins of installers."""
        return self.root / "constraints" / "installers"

    def installer(self, name: str, version: Version) -> Path:
        """The hashed pin of one version of an installer."""
        return self.installers / f"{name}-{version}.txt"

    # What the tool makes.

    def release_build(self, release: Release) -> Path:
        """The folder of what the tool makes on its way to a release."""
        return self.build / str(release.upstream)

    def lock(self, release: Release) -> Path:
        """The file that who works on a release holds a lock on."""
        return self.release_build(release) / "lock"

    def receipt(self, release: Release, step: str) -> Path:
        """The receipt of a step of a release."""
        return self.release_build(release) / "receipts" / f"{step}.json"

    def logs(self, release: Release) -> Path:
        """The folder of logs of a release."""
        return self.release_build(release) / "logs"

    def release_dist(self, release: Release) -> Path:
        """The folder of the products of a release."""
        return self.dist / str(release.upstream)

    def wheelhouse(self, release: Release) -> Path:
        """The folder of the wheels that the index needs beside the patched ones."""
        return self.release_dist(release) / "wheelhouse"

    def proof_wheels(self, release: Release) -> Path:
        """The folder of those of them that the environment of the proofs needs."""
        return self.release_build(release) / "proof-wheels"

    def proof_environments(self, release: Release) -> Path:
        """The folder of the environments that proofs were run in, kept for the next time and for people."""
        return self.release_build(release) / "proof-environments"

    def environments(self, release: Release) -> Path:
        """The folder in which environments of a release are made."""
        return self.release_build(release) / "environments"

    def proof_outcomes(self, release: Release) -> Path:
        """The folder of what proofs of a release gave, by proof and side."""
        return self.release_build(release) / "proofs"

    def certificate(self, release: Release) -> Path:
        """The certificate that the last run of a release wrote."""
        return self.release_dist(release) / f"certificate-{release.tag}.json"

    @property
    def store(self) -> Path:
        """The folder of the local index's published files."""
        return self.index / "packages"

    def sharing(self, version: Version) -> Path:
        """The mark that a release shares the local index."""
        return self.index / "releases" / str(version)

    def releases_sharing(self) -> tuple[Version, ...]:
        """The upstream versions of all releases that share the local index."""
        # Not the hidden temporaries of a mark that is being written.
        return tuple(sorted(Version(path.name) for path in (self.index / "releases").glob("[0-9]*")))

    @property
    def htpasswd(self) -> Path:
        """The users of the local index."""
        return self.index / "htpasswd"

    @property
    def upload_secret(self) -> Path:
        """The password with which the tool publishes to the local index."""
        return self.index / "upload-password"

    # What engineers work in, and no tool may throw away.

    def checkout(self, title: str) -> Path:
        """By the version of a core, or NAME==VERSION of a repair."""
        return self.root / "checkouts" / title.replace("==", "-")

    # What may be shared between projects and thrown away at any time.

    def cached(self, sha256: str, filename: str) -> Path:
        """A file of upstream in the cache, by its sha256."""
        return self.cache / "files" / sha256[:2] / sha256 / filename

    def cached_commits(self, key: str) -> Path:
        """A source as a bare git repository in the cache."""
        return self.cache / "commits" / f"{key}.git"

    def cached_wheel(self, key: str) -> Path:
        """The folder of a built wheel in the cache, by the digest of all that went into it."""
        return self.cache / "wheels" / key[:2] / key

    def cached_library(self, key: str) -> Path:
        """The folder of a built C library in the cache, by the digest of all that went into it."""
        return self.cache / "libraries" / key
