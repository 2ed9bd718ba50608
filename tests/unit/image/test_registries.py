"""What a registry has is asked before anything is sent: a revision's image is never replaced by accident."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.version import Version
from test_builders import put

from astronomer_certified.errors import CommandFailed, EnvironmentMissing, PublishError
from astronomer_certified.image import builders, context, registries, suites
from astronomer_certified.image.registries import Known
from astronomer_certified.project import manifest
from astronomer_certified.release import imaging
from astronomer_certified.release.imaging import Pushed, Registry, Wanted
from astronomer_certified.workspace import Workspace
from documented import ROOT

STATED = manifest.load(Workspace.at(ROOT), Version("2.1.0"))
TAGS = [
    tag for onbuild in (False, True) for tag in context.tags(STATED.release, suites.find("bookworm"), onbuild=onbuild)
]
ID = "sha256:" + "a" * 64
MANIFEST = json.dumps({"schemaVersion": 2, "config": {"digest": ID}})
DIGEST = f"sha256:{hashlib.sha256(MANIFEST.encode()).hexdigest()}"

# A store in which every name is the image ID, and a registry that is a folder of manifests.
BUILDAH = f"""
case $1 in
info) ;;
inspect) [ ! -f "$HOME/empty" ] || {{ echo "image not known" >&2; exit 125; }}; echo {ID} ;;
push)
    /bin/cp "$HOME/sent" "$HOME/registry/$(/usr/bin/basename "$4")"
    echo "$3" >> "$HOME/images"; echo "$4" >> "$HOME/pushes" ;;
esac
"""
SKOPEO = """
[ ! -f "$HOME/down" ] || { /bin/cat "$HOME/down" >&2; exit 1; }
/bin/cat "$HOME/registry/$(/usr/bin/basename "$4")" 2>/dev/null || { echo 'manifest unknown' >&2; exit 1; }
"""
DOCKER = """
[ "$1" != manifest ] || /bin/cat "$HOME/said" 2>/dev/null || { echo "no such manifest: $5" >&2; exit 1; }
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is HOME, and whose `bin` is all of PATH, with a buildah and a skopeo."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "registry").mkdir()
    (tmp_path / "sent").write_text(MANIFEST)
    put(tmp_path / "bin", "buildah", BUILDAH)
    put(tmp_path / "bin", "skopeo", SKOPEO)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def pushed(home: Path, *, replaces: bool = False) -> list[Pushed]:
    workspace = replace(Workspace.at(ROOT), build=home / "build")
    registry = Registry(name="127.0.0.1:5/a/", is_plain=True, replaces=replaces)
    return list(imaging.push(workspace, STATED, Wanted(builder="buildah"), registry))


def test_all_four_names_are_pushed_once_and_told_with_their_digests(home: Path) -> None:
    first = pushed(home)
    assert [item.name for item in first] == [f"127.0.0.1:5/a/ap-airflow:{tag}" for tag in TAGS]
    assert {(item.digest, item.was_there) for item in first} == {(DIGEST, False)}
    again = pushed(home)
    assert [replace(item, was_there=False) for item in again] == first
    assert all(item.was_there for item in again)
    assert len((home / "pushes").read_text().splitlines()) == 4
    # Whatever has the floating names here.
    revision, _, onbuild, _ = (f"ap-airflow:{tag}" for tag in TAGS)
    assert (home / "images").read_text().split() == [revision, revision, onbuild, onbuild]


@pytest.mark.parametrize("tag", [TAGS[0], TAGS[2]])
def test_the_image_of_a_revision_is_not_replaced_by_accident(home: Path, tag: str) -> None:
    other = json.dumps({"config": {"digest": "sha256:" + "b" * 64}})
    (home / "registry" / f"ap-airflow:{tag}").write_text(other)
    with pytest.raises(PublishError, match="is another image already") as told:
        pushed(home)
    assert f"ap-airflow:{tag}" in str(told.value)
    assert not (home / "pushes").exists()
    assert {item.was_there for item in pushed(home, replaces=True)} == {False}


def test_a_floating_tag_moves_to_the_image(home: Path) -> None:
    (home / "registry" / f"ap-airflow:{TAGS[1]}").write_text(json.dumps({"config": {"digest": "sha256:" + "b" * 64}}))
    assert pushed(home)[1] == Pushed(name=f"127.0.0.1:5/a/ap-airflow:{TAGS[1]}", digest=DIGEST, was_there=False)


def test_a_registry_that_has_another_image_afterwards_is_told(home: Path) -> None:
    # A list of images for many machines has no configuration, so it is no image of here.
    (home / "sent").write_text(json.dumps({"manifests": []}))
    with pytest.raises(PublishError, match="another image is there now"):
        pushed(home)


def test_a_registry_that_does_not_answer_has_not_said_that_the_name_is_free(home: Path) -> None:
    for said in (
        "connection refused",
        "StatusCode: 401, name unknown",
        "reading manifest: unauthorized: repository name not known to registry",
        "manifest unknown: requested access to the resource is denied",
    ):
        (home / "down").write_text(said)
        with pytest.raises(CommandFailed, match=said):
            pushed(home)
    assert not (home / "pushes").exists()


ODD = ["{}", '"x"', "null", "5", "[]", '{"config": null}', '{"config": {"digest": 5}}', "\xff", "<html>"]


@pytest.mark.parametrize("answer", ODD)
def test_an_answer_that_is_no_manifest_is_told(home: Path, answer: str) -> None:
    (home / "registry" / f"ap-airflow:{TAGS[0]}").write_bytes(answer.encode("latin-1"))
    with pytest.raises(CommandFailed, match="is no manifest"):
        pushed(home)
    put(home / "bin", "docker", DOCKER)
    for text in (answer, json.dumps({"Descriptor": {"digest": DIGEST}, "OCIManifest": {"config": None}})):
        (home / "said").write_text(text)
        with pytest.raises(CommandFailed, match="is no manifest"):
            registries.known(builders.find("docker"), "127.0.0.1:5/a/b:1", is_plain=True)


def test_a_digest_is_that_of_the_bytes_that_came(home: Path) -> None:
    manifest = MANIFEST.replace(", ", ",\r\n").encode()
    (home / "registry" / f"ap-airflow:{TAGS[0]}").write_bytes(manifest)
    known = registries.known(builders.find("buildah"), f"127.0.0.1:5/a/ap-airflow:{TAGS[0]}", is_plain=True)
    assert known == Known(digest=f"sha256:{hashlib.sha256(manifest).hexdigest()}", id=ID)


def test_what_is_missing_here_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "empty").touch()
    with pytest.raises(EnvironmentMissing, match=f"ap-airflow:{TAGS[0]} is not in the store of buildah") as told:
        pushed(home)
    assert "certified image build 2.1.0 --suite bookworm --builder buildah makes it" in str(told.value)
    (home / "empty").unlink()
    (home / "bin" / "skopeo").unlink()
    monkeypatch.setenv("PATH", str(home / "bin"))
    with pytest.raises(EnvironmentMissing, match=r"apt-get install .* skopeo"):
        pushed(home)


@pytest.mark.parametrize("kind", ["OCIManifest", "SchemaV2Manifest"])
def test_docker_is_asked_in_its_own_words(home: Path, kind: str) -> None:
    put(home / "bin", "docker", DOCKER)
    builder = builders.find("docker")
    assert registries.known(builder, "127.0.0.1:5/a/b:1", is_plain=True) is None
    said = {"Descriptor": {"digest": DIGEST}, kind: {"config": {"digest": ID}}}
    (home / "said").write_text(json.dumps(said))
    assert registries.known(builder, "127.0.0.1:5/a/b:1", is_plain=True) == Known(digest=DIGEST, id=ID)
    (home / "said").write_text("<html>")
    with pytest.raises(CommandFailed, match="is no manifest"):
        registries.known(builder, "127.0.0.1:5/a/b:1", is_plain=True)
    (home / "said").write_text(json.dumps([said, said]))
    many = registries.known(builder, "127.0.0.1:5/a/b:1", is_plain=True)
    assert many is not None
    assert not many.is_the(ID)
