"""Pages that speak of code or records are compared with them."""

from __future__ import annotations

import re
from dataclasses import fields

from factories import ROOT

from astronomer_certified.certify import certificate
from astronomer_certified.project import native_libraries

PACKAGE = ROOT / "src" / "astronomer_certified"
IN_THE_PROJECT = re.compile(
    r"`((?:src|tests|scripts|docs|deploy|constraints|advisories|maintenance|patches|certificates)/[\w./+-]*)`"
)


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def rows(text: str, title: str) -> list[list[str]]:
    """The cells of the rows of every table whose header begins with that cell."""
    found = []
    for header, body in re.findall(r"^(\|.*\|)\n\|[-|]+\|\n((?:\|.*\|\n?)+)", text, re.MULTILINE):
        if header.startswith(f"| {title} |"):
            found += [[cell.strip() for cell in line.strip("|").split(" | ")] for line in body.splitlines()]
    return found


def test_the_page_on_architecture_names_every_module_in_its_room() -> None:
    named = set()
    for room, _, modules in rows(page("architecture.md"), "room"):
        folder = room.strip("`") if room.startswith("`") else ""
        named |= {f"{folder}{module}" for module in re.findall(r"`(\w+)`", modules)}
    paths = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")

    # These two are programs of their own, which run elsewhere.
    own = [path for path in paths if path.parts[0] != "payload" and "files" not in path.parts]
    assert named == {path.with_suffix("").as_posix() for path in own}


def test_the_page_for_auditors_explains_every_key_of_a_certificate() -> None:
    keys = [row[0].strip("`") for row in rows(page("auditors.md"), "key")]

    assert keys == [field.name for field in fields(certificate.Certificate)]


def test_what_pages_name_of_the_project_is_there() -> None:
    """Paths in inline code that begin with a folder of the project; `X.Y.Z`, `*` and the like stand for several."""

    def is_there(name: str) -> bool:
        several = re.search(r"[A-Z]{2}|X\.Y\.Z|-PY", name) is not None
        return several or (ROOT / name).exists() or (PACKAGE / f"{name}.py").is_file()  # patches/ is a room, too

    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
        for name in IN_THE_PROJECT.findall(path.read_text(encoding="utf-8"))
        if not is_there(name)
    }
    assert missing == set()


def test_the_page_on_machine_code_tells_the_versions_that_are_made() -> None:
    libraries = native_libraries.load(ROOT / "constraints" / "native.toml")
    told = sorted(row[1].split()[0] for row in rows(page("native.md"), "library"))
    assert told == sorted(library.sources[0].version for library in libraries.values())


def test_the_page_on_machine_code_explains_every_key() -> None:
    text = page("native.md")
    keys = {key for row in rows(text, "key") for key in re.findall(r"`([a-z0-9-]+)`", " ".join(row[:1]))}
    files = [(ROOT / "constraints" / name).read_text(encoding="utf-8") for name in ("native.toml", "builds.toml")]
    stated = {key for file in files for key in re.findall(r"^([a-z0-9-]+) =", file, re.MULTILINE)}
    assert keys - {"sources"} <= stated
    # Those of a source are explained in the row of all of them.
    assert stated - keys <= set(re.findall(r"`([a-z0-9-]+)`", text))
