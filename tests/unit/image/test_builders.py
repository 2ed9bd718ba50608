"""Who makes images is looked for by asking, and what is missing is told with how to get it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from astronomer_certified.errors import CommandFailed, EnvironmentMissing, UsageError
from astronomer_certified.image import builders

NO_DAEMON = 'echo "Cannot connect to the Docker daemon" >&2; exit 1'
# What podman-docker installs as docker.
WRAPPER = """
[ "$1" != --version ] || echo "podman version 4.3.1"
[ "$1" != image ] || cat "$HOME/answer"
echo "$*" >> "$0.log"
"""
WORKS = """
[ "$1" != image ] && [ "$1" != inspect ] || cat "$HOME/answer"
echo "$0 $*" >> "$0.log"
if [ "$1" = build ] && [ -f "$HOME/refuses" ]; then echo "no space"; exit 9; fi
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH, but for the shell."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "cat").symlink_to("/bin/cat")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path))
    return folder


def put(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_a_docker_without_its_daemon_is_passed_over(programs: Path) -> None:
    put(programs, "docker", NO_DAEMON)
    put(programs, "buildah", WORKS)
    assert builders.find().name == "buildah"
    put(programs, "podman", WORKS)
    assert builders.find().name == "podman"
    assert builders.find("buildah").name == "buildah"


def test_what_was_tried_is_told_with_how_to_get_one(programs: Path) -> None:
    put(programs, "docker", NO_DAEMON)
    with pytest.raises(EnvironmentMissing) as told:
        builders.find()
    text = str(told.value)
    assert "docker: does not work here: Cannot connect to the Docker daemon" in text
    assert "podman: is not on PATH" in text
    assert "apt-get install" in text
    with pytest.raises(UsageError, match="kaniko"):
        builders.find("kaniko")


def test_a_build_has_all_its_names_and_the_time_of_the_release(programs: Path, tmp_path: Path) -> None:
    put(programs, "buildah", WORKS)
    builder = builders.find()
    builder.build(tmp_path, "Containerfile", ["a:1", "a:2"], 1234, tmp_path / "log")
    said = (programs / "buildah.log").read_text().splitlines()[-1]
    for words in ("--format docker", "--timestamp 1234", "--tag a:1 --tag a:2", f"--file {tmp_path}/Containerfile"):
        assert words in said
    (tmp_path / "refuses").touch()
    with pytest.raises(CommandFailed, match="no space"):
        builder.build(tmp_path, "Containerfile", ["a:1"], 1234, tmp_path / "log")


def test_a_docker_that_is_podmans_wrapper_is_podman(programs: Path, tmp_path: Path) -> None:
    put(programs, "docker", WRAPPER)
    for builder in (builders.find(), builders.find("docker")):
        assert (builder.name, builder.program) == ("podman", programs / "docker")
        builder.build(tmp_path, "Containerfile", ["a:1"], 1234, tmp_path / "log")
        # Without this, the image is in the format of OCI, and ONBUILD is lost.
        assert "build --format docker" in (programs / "docker.log").read_text().splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "answer", "holds"),
    [
        ("docker", '{"Env":["A=b"],"OnBuild":["COPY . ."]}', True),
        ("docker", '{"OnBuild":null}', False),
        ("docker", '{"OnBuild":[],"Env":["A"]}', False),
        ("docker", "{}", False),
        ("buildah", "7", True),
        ("buildah", "0", False),
        ("podman", "application/vnd.docker.distribution.manifest.v2+json", True),
        ("podman", "application/vnd.oci.image.manifest.v1+json", False),
    ],
)
def test_an_image_that_lost_its_onbuild_is_an_error(
    programs: Path, tmp_path: Path, name: str, answer: str, holds: bool
) -> None:
    put(programs, name, WORKS)
    (tmp_path / "answer").write_text(answer)
    with contextlib.nullcontext() if holds else pytest.raises(CommandFailed, match="a:1 without what a project's"):
        builders.find(name).check_onbuild("a:1")


@pytest.mark.parametrize(
    "setting",
    ["DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT", "SSH_AUTH_SOCK", "BUILDX_BUILDER"],
)
def test_a_builder_is_told_where_its_owner_has_it_work(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(setting, "there")
    assert builders.environment("docker")[setting] == "there"
