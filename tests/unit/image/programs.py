"""The programs that run in an image, as modules: they are no part of the tool's package."""

from __future__ import annotations

import importlib.util
from types import ModuleType

from factories import ROOT

FILES = ROOT / "src" / "astronomer_certified" / "image" / "files"


def program(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FILES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
