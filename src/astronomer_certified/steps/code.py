"""Modules of this tool -> digests: a step is stale when code that it runs has changed.

Nobody lists modules by hand. What a module imports, at its top or inside a function, is read from its source text, and
so on for what that imports; a type-only import counts as well. Data files that a module reads are inputs of the step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from astronomer_certified.effects.disk import digest

PACKAGE = Path(__file__).parents[1]
_NAME = PACKAGE.name

# Looked for in the text, not parsed: parsing every module takes longer than a release in which nothing is left to do.
# What stands in a string counts as well, if it is the name of a module of ours: one digest too many does no harm.
_FROM = re.compile(rf"^[ \t]*from[ \t]+(\.+[\w.]*|{_NAME}[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n]+)", re.MULTILINE)
_IMPORT = re.compile(rf"^[ \t]*import[ \t]+({_NAME}[\w.]*)", re.MULTILINE)
# Between the brackets of an import comments may stand, with commas of their own.
_COMMENT = re.compile(r"#[^\n]*")


class Modules:
    """The modules of a package below `root`, the folder of its top `__init__.py`. Each is read once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._texts: dict[str, str | None] = {}
        self._imports: dict[str, frozenset[str]] = {}

    def digest_of(self, module: str) -> str:
        """sha256 of a module (`astronomer_certified.build.wheels`) and of all modules of ours that it reaches.

        Raises LookupError for a module that is not there.
        """
        if self._text(module) is None:
            raise LookupError(f"no module {module} below {self._root}")
        return digest(*(part for name in sorted(self.closure(module)) for part in (name, self._text(name) or "")))

    def closure(self, module: str) -> frozenset[str]:
        """The module and every module of ours that it imports, at any depth."""
        found: set[str] = set()
        ahead = [module]
        while ahead:
            name = ahead.pop()
            if name not in found:
                found.add(name)
                ahead.extend(self.imports(name))
        return frozenset(found)

    def imports(self, module: str) -> frozenset[str]:
        """The modules of ours that importing this one, or calling what is in it, may run."""
        if module not in self._imports:
            self._imports[module] = frozenset(self._imported(module))
        return self._imports[module]

    def _imported(self, module: str) -> Iterator[str]:
        text = self._text(module) or ""
        yield from self._packages(module)
        for match in _IMPORT.finditer(text):
            yield from self._packages(match[1], itself=True)
        for match in _FROM.finditer(text):
            start = self._absolute(module, match[1])
            yield from self._packages(start, itself=True)
            # A name that is imported is a module if there is a file of it, and else something inside of one.
            for item in _COMMENT.sub("", match[2]).strip("()").split(","):
                name = item.split(" as ")[0].strip()
                if name.isidentifier() and self._text(f"{start}.{name}") is not None:
                    yield f"{start}.{name}"

    def _packages(self, module: str, *, itself: bool = False) -> Iterator[str]:
        """The packages around a module, whose `__init__.py` run before it."""
        parts = module.split(".")
        for length in range(1, len(parts) + itself):
            name = ".".join(parts[:length])
            if self._text(name) is not None:
                yield name

    def _absolute(self, module: str, written: str) -> str:
        dots = len(written) - len(written.lstrip("."))
        if not dots:
            return written
        # PEP 328: one dot is the package itself, each further dot the package around it.
        package = module.split(".") if self._path(module).name == "__init__.py" else module.split(".")[:-1]
        return ".".join([*package[: len(package) - dots + 1], *filter(None, [written[dots:]])])

    def _path(self, module: str) -> Path:
        own = self._root.joinpath(*module.split(".")[1:])
        return own / "__init__.py" if own.is_dir() else own.with_name(f"{own.name}.py")

    def _text(self, module: str) -> str | None:
        if module not in self._texts:
            try:
                ours = module.split(".")[0] == _NAME
                self._texts[module] = self._path(module).read_text(encoding="utf-8") if ours else None
            except (FileNotFoundError, NotADirectoryError):
                self._texts[module] = None
        return self._texts[module]


@cache
def _ours() -> Modules:
    return Modules(PACKAGE)


# Once for a run: every step asks, also when there is nothing to do.
@cache
def digest_of(module: str) -> str:
    """sha256 of a module of this tool and of all that it reaches; see `Modules.digest_of`."""
    return _ours().digest_of(module)
