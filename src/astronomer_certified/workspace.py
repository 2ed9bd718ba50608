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
        return self.root / "patches" / str(version) / "release.toml"

    def distribution(self, name: NormalizedName, version: Version) -> Path:
        return self.root / "patches" / name / str(version) / "distribution.toml"

    @property
    def proofs(self) -> Path:
        return self.root / "patches" / "proofs"

    def constraints(self, version: Version) -> Path:
        return self.root / "constraints" / str(version)

    @property
    def recipes(self) -> Path:
        return self.root / "constraints" / "builds.toml"

    @property
    def toolchain(self) -> Path:
        return self.root / "constraints" / "toolchain.txt"

    def kept_certificate(self, release: Release) -> Path:
        return self.root / "certificates" / f"certificate-{release.tag}.json"

    @property
    def installers(self) -> Path:
        return self.root / "constraints" / "installers"

    def installer(self, name: str, version: Version) -> Path:
        return self.installers / f"{name}-{version}.txt"

    # What the tool makes.

    def release_build(self, release: Release) -> Path:
        return self.build / str(release.upstream)

    def lock(self, release: Release) -> Path:
        return self.release_build(release) / "lock"

    def receipt(self, release: Release, step: str) -> Path:
        return self.release_build(release) / "receipts" / f"{step}.json"

    def logs(self, release: Release) -> Path:
        return self.release_build(release) / "logs"

    def release_dist(self, release: Release) -> Path:
        return self.dist / str(release.upstream)

    def wheelhouse(self, release: Release) -> Path:
        return self.release_dist(release) / "wheelhouse"

    def environments(self, release: Release) -> Path:
        return self.release_build(release) / "environments"

    def proof_outcomes(self, release: Release) -> Path:
        return self.release_build(release) / "proofs"

    def certificate(self, release: Release) -> Path:
        return self.release_dist(release) / f"certificate-{release.tag}.json"

    @property
    def store(self) -> Path:
        return self.index / "packages"

    def sharing(self, version: Version) -> Path:
        return self.index / "releases" / str(version)

    def releases_sharing(self) -> tuple[Version, ...]:
        return tuple(sorted(Version(path.name) for path in (self.index / "releases").glob("[0-9]*")))

    @property
    def htpasswd(self) -> Path:
        return self.index / "htpasswd"

    @property
    def upload_secret(self) -> Path:
        return self.index / "upload-password"

    # What engineers work in, and no tool may throw away.

    def checkout(self, title: str) -> Path:
        """By the version of a core, or NAME==VERSION of a repair."""
        return self.root / "checkouts" / title.replace("==", "-")

    # What may be shared between projects and thrown away at any time.

    def cached(self, sha256: str, filename: str) -> Path:
        return self.cache / "files" / sha256[:2] / sha256 / filename

    def cached_commits(self, key: str) -> Path:
        return self.cache / "commits" / f"{key}.git"

    def cached_wheel(self, key: str) -> Path:
        return self.cache / "wheels" / key[:2] / key
