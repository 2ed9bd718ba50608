"""A context -> an image in the store of docker, podman or buildah, whichever is here. Starts them.

Each is found by asking it: a docker without its daemon is a program that can do nothing.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from astronomer_certified.effects.processes import clean_environment, run
from astronomer_certified.errors import CommandFailed, EnvironmentMissing, UsageError

# In this order: the first that answers is taken.
NAMES = ("docker", "podman", "buildah")

# Where the machine's owner says how these programs are to work.
_SETTINGS = (
    "DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_BUILDKIT",
    "BUILDX_BUILDER", "SSH_AUTH_SOCK", "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF", "CONTAINERS_REGISTRIES_CONF",
    "REGISTRY_AUTH_FILE", "BUILDAH_ISOLATION", "XDG_RUNTIME_DIR", "STORAGE_DRIVER",
)  # fmt: skip

# What each says of an image, and how that looks where it has ONBUILD. podman does not tell; the format of OCI has none.
_ONBUILD = {
    "docker": ("{{json .Config}}", r'"OnBuild":\["'),
    "podman": ("{{.ManifestType}}", r"docker"),
    "buildah": ("{{len .Docker.Config.OnBuild}}", r"[1-9]"),
}

_PATIENCE = 30.0

# Seconds for one image.
_TIMEOUT = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """A program that makes images. `name` is what it is, whatever the program is called."""

    name: str
    program: Path

    def build(self, context: Path, containerfile: str, tags: Sequence[str], epoch: int, log: Path) -> None:
        """The image has these names. CommandFailed when it was not made; the log has all that was said."""
        names = [word for tag in tags for word in ("--tag", tag)]
        words: list[str | Path] = [
            self.program,
            "build",
            *self._options(epoch),
            *names,
            "--file",
            context / containerfile,
            context,
        ]
        run(words, env=environment(self.name), log=log, timeout=_TIMEOUT)

    def check_onbuild(self, image: str) -> None:
        """CommandFailed when an image of the store has lost its ONBUILD: some say so in a warning, and end with 0."""
        asking = ["inspect", "--type", "image"] if self.name == "buildah" else ["image", "inspect"]
        form, holds = _ONBUILD[self.name]
        words: list[str | Path] = [self.program, *asking, "--format", form, image]
        if not re.search(holds, run(words, env=environment(self.name), timeout=_PATIENCE).stdout):
            raise CommandFailed(
                f"{self.name} made {image} without what a project's image is made by (ONBUILD)",
                hint="take another builder: --builder podman or --builder buildah",
            )

    def _options(self, epoch: int) -> list[str]:
        if self.name == "docker":
            return []
        # In the format of Docker: that of OCI has no ONBUILD. Layers are kept, so that the same system is not set up
        # again for another patch.
        return ["--format", "docker", "--timestamp", str(epoch), "--layers"]

    def id_of(self, image: str, made_by: str) -> str:
        """The ID of an image in the store, with `sha256:` before it. EnvironmentMissing for one that is not there, with
        the command that it is `made_by`."""
        words = ["image", "inspect", "--format", "{{.Id}}", image]
        if self.name == "buildah":
            words = ["inspect", "--type", "image", "--format", "{{.FromImageID}}", image]
        asked = run([self.program, *words], env=environment(self.name), timeout=_PATIENCE, check=False)
        if asked.returncode != 0:
            raise EnvironmentMissing(
                f"{image} is not in the store of {self.name}",
                details=asked.stderr.strip().splitlines()[-1:],
                hint=f"{made_by} --builder {self.program.name} makes it",
            )
        return f"sha256:{asked.stdout.strip().removeprefix('sha256:')}"

    def push(self, image: str, destination: str, log: Path, *, is_plain: bool) -> None:
        """The image is in a registry under that name. CommandFailed otherwise."""
        env = environment(self.name)
        if self.name == "docker":
            run([self.program, "tag", image, destination], env=env)
            run([self.program, "push", destination], env=env, log=log, timeout=_TIMEOUT)
            return
        to = f"docker://{destination}"
        run([self.program, "push", tls(is_plain=is_plain), image, to], env=env, log=log, timeout=_TIMEOUT)


def find(wanted: str | None = None) -> Builder:
    """The builder of that name, or the first that works here. EnvironmentMissing says what was tried and how to get
    one, UsageError that there is none of that name."""
    if wanted is not None and wanted not in NAMES:
        raise UsageError(f"{wanted!r} makes no images", hint=f"one of {', '.join(NAMES)}")
    tried = []
    for name in [wanted] if wanted is not None else NAMES:
        program = shutil.which(name)
        if program is None:
            tried.append(f"{name}: is not on PATH")
            continue
        asked = run([program, "info"], env=environment(name), timeout=_PATIENCE, check=False)
        if asked.returncode == 0:
            return Builder(name=_kind(name, program), program=Path(program))
        said = (asked.stderr or asked.stdout).strip().splitlines()
        tried.append(f"{name}: does not work here: {said[-1] if said else f'status {asked.returncode}'}")
    raise EnvironmentMissing(
        "nothing here makes images",
        details=tried,
        hint="start docker, or install podman or buildah: on Debian, apt-get install --no-install-recommends buildah",
    )


def _kind(name: str, program: str) -> str:
    """What a program is: where there is no docker, its name may be that of a wrapper of podman."""
    asked = run([program, "--version"], env=environment(name), timeout=_PATIENCE, check=False)
    return "podman" if name == "docker" and "podman" in asked.stdout.lower() else name


def tls(*, is_plain: bool) -> str:
    """How podman, buildah and skopeo are told whether a registry has TLS."""
    return f"--tls-verify={str(not is_plain).lower()}"


def environment(name: str) -> Mapping[str, str]:
    """The environment of a builder, and of what shares its store and its logins: nothing but what concerns them."""
    given = {key: os.environ[key] for key in _SETTINGS if key in os.environ}
    if name == "buildah":
        # It works in containers and without a runtime, as in most CI; whoever has a better one says so.
        given.setdefault("BUILDAH_ISOLATION", "chroot")
    return clean_environment(**given)
