"""Verified source + series -> the wheel of a patched distribution, compared with upstream's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from astronomer_certified.artifacts import Distribution
from astronomer_certified.effects import disk
from astronomer_certified.formats.wheel_files import wheel_at
from astronomer_certified.patches import application, series
from astronomer_certified.pythons import interpreters
from astronomer_certified.release.run import Run, wheel_step_of
from astronomer_certified.source import fetch
from astronomer_certified.source.kinds import KINDS
from astronomer_certified.steps import code
from astronomer_certified.steps.receipts import Made
from astronomer_certified.steps.runner import Done, Shown, Step

from . import fetching

# The file of the cache that says what was made, and how it differs from upstream's.
_SAID = "said.json"


def step(run: Run, item: Distribution, carried: series.Carried, locked: Path | None = None) -> Step:
    """The wheel of a patched distribution is made.

    `locked` are other build requirements than the committed ones: those of constraints in the making.
    """
    requirements = locked or run.constraints_folder / "build-requirements.txt"
    needs = [fetching.name_of(item)]
    if KINDS[item.kind].built and locked is None:
        needs.append("constraints")

    def inputs(done: Done) -> Mapping[str, str]:
        written = [*sorted(item.folder.glob("*.patch")), *item.folder.glob("series")]
        return {
            "source": item.source.sha256,
            "upstream wheel": item.upstream_wheel.sha256,
            "version": str(item.release.patched),
            # Of the manifest only what decides the bytes: another extra makes no other wheel.
            "stamp, restore and build pythons": repr((item.stamp, item.restore, str(item.build_pythons))),
            "SOURCE_DATE_EPOCH": str(item.epoch),
            **({"build requirements": _pins(requirements)} if KINDS[item.kind].built else {}),
            **run.file_digests(written),
        }

    def do(done: Done) -> Made:
        # A repair is the same for all releases that pin it; a core is of its own release only.
        kept = None if core else _Kept(run, item, disk.digest(*_words(inputs(done))))
        if kept is not None and (found := kept.found()) is not None:
            return found
        # In memory where there is room: thousands of small files that live for seconds.
        with disk.scratch_folder(disk.memory_folder(run.dist), item.name) as scratch:
            made = _made(run, item, carried.of(item.name), requirements, scratch)
        if kept is not None:
            kept.keep(made)
        return made

    core = item.name == run.manifest.core.name
    name = wheel_step_of(item)
    return run.step(name, inputs, do, needs, Shown(stage="core wheel" if core else name, minor=not core))


def _words(inputs: Mapping[str, str]) -> list[str]:
    return [f"{name} {value}" for name, value in sorted(inputs.items())]


class _Kept:
    """A repair's wheel in the user's cache, by the digest of all that decides its bytes, with what is said of it."""

    def __init__(self, run: Run, item: Distribution, inputs: str) -> None:
        self._run = run
        # What is not built from source is the same whatever Python is here.
        built = KINDS[item.kind].built
        interpreter = interpreters.require_any(item.build_pythons, f"building {item.name}") if built else None
        python = interpreter.full_version if interpreter is not None else ""
        # With the code that made it, as the user's cache outlives this version of the tool.
        self._place = run.workspace.cached_wheel(disk.digest("repair", inputs, python, code.digest_of(__name__)))

    def found(self) -> Made | None:
        """The wheel, now in the folder of the release; None when nobody has made it, or its bytes are others now."""
        try:
            values = json.loads((self._place / _SAID).read_bytes())
            wheel = self._place / values["record"]["file"]
            if disk.sha256_of(wheel) != values["record"]["sha256"]:
                return None
            target = self._run.dist / wheel.name
            with disk.atomic_file(target) as beside:
                shutil.copyfile(wheel, beside)
        except (OSError, ValueError, KeyError):
            return None
        self._run.only(wheel_at(target))
        return Made(outputs=[target], record=values["record"], note=f"{values['note']}; made for another release")

    def keep(self, made: Made) -> None:
        """It is there for the next release that pins it."""
        [wheel] = made.outputs
        with disk.atomic_folder(self._place) as beside:
            shutil.copyfile(wheel, beside / wheel.name)
            said = json.dumps({"record": made.record, "note": made.note})
            (beside / _SAID).write_text(said, encoding="utf-8")


def _made(run: Run, item: Distribution, patches: tuple[series.Patch, ...], requirements: Path, scratch: Path) -> Made:
    from astronomer_certified.build import wheels

    tree = application.apply(item, fetch.fetch(item.source, run.workspace), patches, scratch / "tree")
    toolchain = None
    if KINDS[item.kind].built:
        interpreter = interpreters.require_any(item.build_pythons, f"building {item.name}")
        toolchain = wheels.Toolchain(interpreter=interpreter, requirements=requirements)
    theirs = fetch.fetch(item.upstream_wheel, run.workspace)
    places = wheels.Places(scratch=scratch, folder=run.dist, log=run.logs / f"build-{item.name}.log")
    built = wheels.build(item, tree, theirs, toolchain, places)
    run.only(built.wheel)
    record = {
        "distribution": item.name,
        "file": built.wheel.filename,
        "sha256": built.wheel.sha256,
        "size": built.wheel.size,
        "built_with": toolchain.interpreter.full_version if toolchain else "",
        "patches": list(tree.applied),
        "offsets": [str(offset) for offset in tree.offsets],
        "restored": list(built.restored),
        "wheel_diff": [asdict(difference) for difference in built.differences],
    }
    note = (
        f"{built.wheel.filename}; {len(tree.applied)} patches; differs from upstream's wheel"
        f" in {len(built.differences)} files, all explained"
    ) + "".join(f"\n  offset: {offset}" for offset in tree.offsets)
    return Made(outputs=[built.wheel.path], record=record, note=note)


def _pins(requirements: Path) -> str:
    """The digest of a requirements file without its comments."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    # The comments name what the constraints were made from, which may change where these pins do not.
    return disk.digest(*(line for line in lines if not line.startswith("#")))
