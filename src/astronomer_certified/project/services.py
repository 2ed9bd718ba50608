"""constraints/services.toml -> the servers that certification puts beside a release."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import toml_reader as toml


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A server: the programs that it is made of, and Debian's packages that bring them, as apt-get is told."""

    name: str
    programs: tuple[str, ...]
    package: str


def load(path: Path) -> dict[str, Service]:
    """The servers by name. Raises `ManifestError` with every key that is not as docs/certification.md says."""
    top, found = toml.load(path), {}
    for name in top.names():
        table = top.table(name)
        found[name] = Service(
            name=name,
            programs=table.each("programs", toml.file_name),
            package=table.get("package", toml.text, default=""),
        )
        table.close()
    top.close()
    top.problems.finish()
    return found
