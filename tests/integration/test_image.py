"""An image is made of a release's wheels, by whichever builder is there: here by one that keeps what it is told."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from fake_project import PYTHON, VERSION, Project
from test_documented_commands import terminal_in

from documented import Terminal

ID = "sha256:" + "a" * 64
# In place of docker: every call is written down, the context of a build is kept as it is then, and what was pushed is
# in the registry.
BUILDER = f"""#!/bin/sh
here=$(dirname "$0")
for last; do :; done
name=$(basename "$last")
case "$*" in
    *"json .Config"*) cat "$here/config" 2>/dev/null || echo '{{"OnBuild":["COPY . ."]}}'; exit ;;
    --version) echo "Docker version 28.2.2"; exit ;;
esac
case "$1" in
    image) echo {ID}; exit ;;
    manifest) cat "$here/registry/$name" 2>/dev/null || {{ echo "no such manifest: $last" >&2; exit 1; }}; exit ;;
    build)
        rm -rf "$here/context"; cp -R "$last" "$here/context"
        if flock --nonblock "$last/../lock" true; then touch "$here/nobody-holds-the-release"; fi ;;
    push) cp "$here/pushed.json" "$here/registry/$name" ;;
esac
echo "$*" >> "$here/said"
"""
PUSHED = {"Descriptor": {"digest": "sha256:" + "b" * 64}, "SchemaV2Manifest": {"config": {"digest": ID}}}
# In place of a Debian, which takes a minute and the network: its last word is the file to write.
DEBIAN = """#!/bin/sh
for target; do :; done
folder=$(mktemp -d)
mkdir -p "$folder/var/lib/dpkg"
echo "$*" > "$folder/words"
: > "$folder/var/lib/dpkg/status"
tar -cf "$target" -C "$folder" .
rm -r "$folder"
"""


@pytest.fixture(scope="module")
def shop(template: Project, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """A terminal in a project that is released, where that builder is docker."""
    root = tmp_path_factory.mktemp("image")
    terminal = terminal_in(template.copy(root / "project"))
    terminal.types("certified release 2.1.0")
    (root / "bin").mkdir()
    (root / "bin" / "docker").write_text(BUILDER)
    (root / "bin" / "docker").chmod(0o755)
    (root / "bin" / "registry").mkdir()
    (root / "bin" / "pushed.json").write_text(json.dumps(PUSHED))
    (root / "bin" / "mmdebstrap").write_text(DEBIAN)
    (root / "bin" / "mmdebstrap").chmod(0o755)
    path = f"{root / 'bin'}:{terminal.env['PATH']}"
    return Terminal(folder=terminal.folder, env={**terminal.env, "PATH": path}, instead=terminal.instead)


def said(shop: Terminal) -> list[str]:
    """What the builder was told, since this was asked last."""
    path = Path(shop.env["PATH"].partition(":")[0]) / "said"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [line for line in lines if line != "info"]


def kept(shop: Terminal) -> Path:
    return Path(shop.env["PATH"].partition(":")[0]) / "context"


BASE = f"--base python:{PYTHON}-slim-bookworm"
# Not on the release's own base, it is not the release's image.
MINE = f"{BASE} --tag mine:1"


def printed_on_a_base_of_here(made: subprocess.CompletedProcess[str]) -> str:
    """What a command printed. Skipped where CPython needs a newer C library than that of the base."""
    if "and bookworm has glibc" in made.stderr:
        pytest.skip("the C library of this machine is newer than that of bookworm")
    assert made.returncode == 0, made.stderr
    return made.stdout


@pytest.mark.parametrize("more", ["", "--json"])
def test_an_image_and_its_onbuild_variant_are_made_with_both_tags(shop: Terminal, more: str) -> None:
    printed = printed_on_a_base_of_here(shop.types("certified image build 2.1.0", more, statuses=(0, 1)))
    tags = [f"ap-airflow:{VERSION}{ending}" for ending in ("-1-bookworm", "-bookworm")]
    expected = [*tags, *(f"{tag}-onbuild" for tag in tags)]
    if more == "--json":
        found = json.loads(printed)
        assert [*found["names"], *found["onbuild"]] == expected
    else:
        assert printed.split() == expected
    build, onbuild = said(shop)
    assert f"--tag {tags[0]} --tag {tags[1]}" in build
    assert "Containerfile.onbuild" in onbuild
    # Until both are made, no other run may write the folder anew, or take the names.
    assert not (kept(shop).parent / "nobody-holds-the-release").exists()


def test_an_onbuild_variant_without_onbuild_is_an_error(shop: Terminal) -> None:
    config = kept(shop).parent / "config"
    config.write_text('{"OnBuild":null}')
    try:
        refused = shop.types("certified image build 2.1.0", MINE, statuses=(1,)).stderr
    finally:
        config.unlink()
    assert "docker made mine:1-onbuild without what a project's image is made by" in refused


def test_the_context_holds_wheels_that_pip_installs_from_it_alone(shop: Terminal, tmp_path: Path) -> None:
    folder = Path(shop.types("certified image context 2.1.0", MINE).stdout.strip())
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    words = [environment / "bin" / "python", "-I", "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    words += ["--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:", "--find-links", "."]
    for wheels in ("wheels", "own"):
        subprocess.run([*words, "-r", "requirements.txt"], check=True, cwd=folder / wheels)
    own = {path.name.partition("-")[0] for path in (folder / "own").glob("*.whl")}
    assert {"apache_airflow", "astronomer_certified"} <= own
    assert own.isdisjoint(path.name.partition("-")[0] for path in (folder / "wheels").glob("*.whl"))
    version = subprocess.run([environment / "bin" / "airflow", "version"], capture_output=True, text=True, check=True)
    assert version.stdout.strip() == f"{VERSION}+astro.1"
    constraints = (folder / "constraints.txt").read_text().split()
    assert f"apache-airflow=={VERSION}+astro.1" in constraints
    assert f"FROM python:{PYTHON}-slim-bookworm AS system" in (folder / "Containerfile").read_text()


def test_an_image_with_other_extras_has_a_name_of_its_own(shop: Terminal) -> None:
    refused = shop.types("certified image build 2.1.0", BASE, "--extras celery", statuses=(2,)).stderr
    assert "an image with another --base and --extras is not the image of" in refused
    assert "give it a name of its own: --tag NAME:TAG" in refused
    refused = shop.types("certified image build 2.1.0", BASE, "--extras celry --tag mine:1", statuses=(2,)).stderr
    assert "has no extra celry" in refused
    assert "did you mean celery?" in refused
    refused = shop.types("certified image build 2.1.0", BASE, "--tag Mine", statuses=(2,)).stderr
    assert "'Mine' cannot be the name of an image" in refused

    shop.types("certified image build 2.1.0", MINE)
    whole = {path.name for path in (kept(shop) / "wheels").glob("*.whl")}
    said(shop)
    # The Airflow of these tests is of a few files, and has no redis.
    with_less = Terminal(folder=shop.folder, env=shop.env, instead={**shop.instead, "celery,postgres,redis": "celery"})
    made = with_less.types(
        "certified image build 2.1.0 --extras celery,postgres,redis --tag airflow:celery", BASE
    ).stdout
    assert made.split() == ["airflow:celery", "airflow:celery-onbuild"]
    assert [line.partition("--tag ")[2].split()[0] for line in said(shop)] == made.split()
    less = {path.name for path in (kept(shop) / "wheels").glob("*.whl")}
    assert less < whole


def test_what_is_not_built_is_told_and_the_context_of_before_stays(shop: Terminal) -> None:
    folder = Path(shop.types("certified image context 2.1.0", MINE).stdout.strip())
    [core] = (shop.folder / "dist" / VERSION).glob("apache_airflow-*.whl")
    aside = core.rename(core.with_suffix(".aside"))
    try:
        refused = shop.types("certified image context 2.1.0", MINE, statuses=(1,)).stderr
    finally:
        aside.rename(core)
    assert f"apache-airflow {VERSION}+astro.1 is not built" in refused
    assert f"hint: certified release {VERSION}" in refused
    assert (folder / "Containerfile").exists()


def test_an_image_is_pushed_with_its_onbuild_variant_and_the_floating_tags(shop: Terminal) -> None:
    said(shop)
    names = [
        f"127.0.0.1:5000/astronomer/ap-airflow:{VERSION}{ending}"
        for ending in ("-1-bookworm", "-bookworm", "-1-bookworm-onbuild", "-bookworm-onbuild")
    ]
    for told in (names, []):
        pushed = shop.types("certified image push 2.1.0 127.0.0.1:5000/astronomer --plain-http").stdout.split()
        assert pushed == [f"{name}@{PUSHED['Descriptor']['digest']}" for name in names]
        assert [line.split()[-1] for line in said(shop) if line.startswith("push")] == told
    other = Terminal(folder=shop.folder, env=shop.env, instead={**shop.instead, "127.0.0.1:5000": "http://127.0.0.1"})
    refused = other.types("certified image push 2.1.0 127.0.0.1:5000/astronomer --plain-http", statuses=(2,)).stderr
    assert "without a scheme" in refused


def test_make_makes_it_too_on_a_base_of_its_own(shop: Terminal) -> None:
    said(shop)
    made = printed_on_a_base_of_here(shop.types("make image VERSION=2.1.0", statuses=(0, 2)))
    assert f"ap-airflow:{VERSION}-1-bookworm-onbuild" in made
    assert len(said(shop)) == 2
    text = (kept(shop) / "Containerfile").read_text()
    assert "FROM scratch AS system\nADD base.tar /\nADD python.tar /usr/local/\n" in text
    with tarfile.open(kept(shop) / "python.tar") as archive:
        names = archive.getnames()
    assert {f"bin/python{PYTHON}", f"lib/python{PYTHON}/os.py", "bin/python3"} <= set(names)
    assert not [name for name in names if "site-packages" in name or name.endswith(".pyc")]
