"""A manifest -> the steps that make its wheels: which stage each calls, what goes into it, what it needs.

fetch -> tree -> wheel (for each patched distribution)  ┐
constraints -> certified wheel                          ├-> publish -> install ┐
constraints -> wheelhouse                               ┘                      ├-> certificate
wheel + constraints + wheelhouse -> prove                                      ┘
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache, cached_property
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from . import certified_wheel, constraints, effects, interpreters, manifest, series, upstream
from .artifacts import (
    METADATA_SOURCES,
    Constraints,
    Distribution,
    Manifest,
    NotDone,
    PinnedFile,
    UpstreamFile,
    Wheel,
    WheelhouseItem,
)
from .errors import ConstraintsError
from .receipts import Receipt
from .steps import Done, Made, Step, Watcher, digest
from .wheel_files import wheel_at
from .workspace import Workspace

_PACKAGE = Path(__file__).parent
# The Pythons on which the setuptools of constraints/toolchain.txt runs: it needs distutils.
_TOOLCHAIN_PYTHONS = SpecifierSet(">=3.6,<3.12")


@cache
def code(*modules: str) -> str:
    """The digest of modules of this tool: a step is stale when the code that does it changed."""
    return digest(*((_PACKAGE / name).read_bytes() for name in modules))


def file_digests(root: Path, paths: Sequence[Path]) -> dict[str, str]:
    """The sha256 of files by their path in the project, as certificates show them."""
    return {path.relative_to(root).as_posix(): effects.sha256_of(path) for path in paths}


def fingerprint(receipt: Receipt) -> str:
    """What a later step depends on: the bytes that came out, or what went in where a folder came out."""
    if receipt.outputs and all(output.sha256 for output in receipt.outputs):
        return digest(*(f"{output.path.name} {output.sha256}" for output in receipt.outputs))
    return digest(json.dumps(dict(receipt.inputs), sort_keys=True), json.dumps(receipt.record, sort_keys=True))


def not_done(items: Sequence[NotDone]) -> list[dict[str, str]]:
    return [asdict(item) for item in items]


def join_index(workspace: Workspace, version: Version) -> None:
    """A release counts among those that share the index, from before its wheelhouse is filled.

    Of two releases that are made at the same time, the one that joins last sees the other and cares for both.
    """
    if not workspace.sharing(version).exists():
        effects.write_atomic(workspace.sharing(version), b"")


class Plan:
    """The steps of one release. What it reads was written by humans; what it makes goes to the workspace."""

    def __init__(self, workspace: Workspace, stated: Manifest, jobs: int, watcher: Watcher) -> None:
        self.workspace = workspace
        self.manifest = stated
        self.jobs = jobs
        self.watcher = watcher
        self.release = stated.release
        self.folder = workspace.constraints(stated.release.upstream)
        self.dist = workspace.release_dist(stated.release)
        self.logs = workspace.logs(stated.release)

    # What is read once, and only by a step that has work to do.

    @cached_property
    def patches(self) -> Mapping[NormalizedName, tuple[series.Patch, ...]]:
        return {item.name: series.read(item.folder) for item in self.manifest.distributions}

    @cached_property
    def constraints(self) -> tuple[Constraints, ...]:
        return constraints.load(self.folder, self.manifest.pythons)

    def resolved_patches(self) -> dict[str, str]:
        """The patches that decide what the constraints say, with their digests.

        Those that change what the core requires, and all of repairs: constraints name the sha256 of their wheels.
        """
        return {
            f"{item.name}/{patch.name}": digest((item.folder / patch.name).read_bytes())
            for item in self.manifest.distributions
            for patch in self.patches[item.name]
            if item.name != self.manifest.core.name
            or any(path in METADATA_SOURCES or path.endswith(".dist-info/METADATA") for path in patch.touched)
        }

    def inputs_digest(self) -> str:
        return constraints.inputs_digest(self.manifest, self.resolved_patches())

    def step(
        self, name: str, inputs: Callable[[Done], Mapping[str, str]], do: Callable[[Done], Made], *needs: str
    ) -> Step:
        def here(done: Done) -> Mapping[str, str]:
            # Receipts name their outputs by absolute path: those of a copied project vouch for the original's files.
            return {"project folder": str(self.workspace.root), **inputs(done)}

        return Step(name=name, needs=needs, inputs=here, do=do, receipt=self.workspace.receipt(self.release, name))

    def fetch(self, pinned: PinnedFile) -> UpstreamFile:
        return upstream.fetch(pinned, self.workspace)

    # The steps.

    def fetch_step(self, item: Distribution) -> Step:
        files = tuple(dict.fromkeys((item.source, item.upstream_wheel)))

        def do(done: Done) -> Made:
            fetched = [self.fetch(pinned) for pinned in files]
            return Made(outputs=[file.path for file in fetched], note=", ".join(file.path.name for file in fetched))

        return self.step(f"fetch {item.name}", lambda done: {pinned.filename: pinned.sha256 for pinned in files}, do)

    def wheel_step(self, item: Distribution, locked: Path | None = None) -> Step:
        """`locked` are other build requirements than the committed ones: those of constraints in the making."""
        requirements = locked or self.folder / "build-requirements.txt"
        needs = [f"fetch {item.name}", *(["constraints"] if item.kind == "sdist" and locked is None else [])]

        def inputs(done: Done) -> Mapping[str, str]:
            written = [*sorted(item.folder.glob("*.patch")), *item.folder.glob("series")]
            return {
                "source": item.source.sha256,
                "upstream wheel": item.upstream_wheel.sha256,
                "version": str(item.release.patched),
                "stamp, restore and build pythons": repr((item.stamp, item.restore, str(item.build_pythons))),
                "SOURCE_DATE_EPOCH": str(item.epoch),
                "tool": code(
                    "series.py",
                    "diffs.py",
                    "archives.py",
                    "wheels.py",
                    "backends.py",
                    "wheel_files.py",
                    "wheel_diff.py",
                ),
                **({"build requirements": _pins(requirements)} if item.kind == "sdist" else {}),
                **file_digests(self.workspace.root, written),
            }

        def do(done: Done) -> Made:
            # In memory where there is room: thousands of small files that live for seconds.
            with effects.scratch_folder(effects.memory_folder(self.dist), item.name) as scratch:
                return self._wheel(item, requirements, scratch)

        return self.step(f"wheel {item.name}", inputs, do, *needs)

    def _wheel(self, item: Distribution, requirements: Path, scratch: Path) -> Made:
        from . import wheels

        tree = series.apply(item, self.fetch(item.source), self.patches[item.name], scratch / "tree")
        toolchain = None
        if item.kind == "sdist":
            interpreter = interpreters.require_any(item.build_pythons, f"building {item.name}")
            toolchain = wheels.Toolchain(interpreter=interpreter, requirements=requirements)
        theirs = self.fetch(item.upstream_wheel)
        log = self.logs / f"build-{item.name}.log"
        built = wheels.build(item, tree, theirs, toolchain, scratch, self.dist, log)
        self._only(built.wheel)
        record = {
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

    def _only(self, wheel: Wheel) -> None:
        """Wheels of another revision of the same project are not products of this release any more."""
        for old in self.dist.glob(f"{wheel.filename.split('-')[0]}-*.whl"):
            if old != wheel.path:
                old.unlink()

    def constraints_step(self) -> Step:
        names = constraints.file_names(self.manifest.pythons)
        read = [self.folder / name for name in names]

        def inputs(done: Done) -> Mapping[str, str]:
            patched = [path for item in self.manifest.distributions for path in sorted(item.folder.iterdir())]
            # Not the changelog: it says what was done, and nothing comes of it.
            patched = [path for path in patched if path.suffix not in (".md", ".json")]
            present = [path for path in (*read, *patched) if path.is_file()]
            return {"tool": code("constraints.py"), **file_digests(self.workspace.root, present)}

        def do(done: Done) -> Made:
            constraints.check_current(self.folder, self.inputs_digest(), names)
            counts = ", ".join(f"{len(item.pins)} pins for {item.python}" for item in self.constraints)
            return Made(note=counts)

        # After the source is verified: a wrong hash in the manifest is the better message than constraints that are
        # stale because of it.
        return self.step("constraints", inputs, do, f"fetch {self.manifest.core.name}")

    def certified_step(self) -> Step:
        carried = [
            self.folder / f"constraints-{python}{variant}.txt"
            for python in self.manifest.pythons
            for variant in ("", "-hashes")
        ]

        def inputs(done: Done) -> Mapping[str, str]:
            paths = [self.manifest.path, self.folder / "extras.json", *carried]
            payload = {f"payload/{path.name}": digest(path.read_bytes()) for path in certified_wheel.payload_files()}
            tool = code("certified_wheel.py", "wheel_files.py")
            return {
                "tool": tool,
                **payload,
                **file_digests(self.workspace.root, [path for path in paths if path.is_file()]),
            }

        def do(done: Done) -> Made:
            data = {path.name: path.read_bytes() for path in carried}
            wheel = certified_wheel.build(self.manifest, self.constraints, data, self.dist)
            self._only(wheel)
            record = {"file": wheel.filename, "sha256": wheel.sha256, "size": wheel.size}
            return Made(outputs=[wheel.path], record=record, note=wheel.filename)

        return self.step("certified wheel", inputs, do, "constraints")

    def _sharing(self) -> dict[Version, Path]:
        """The releases that share the index, this one among them, with their files.json."""
        versions = {self.release.upstream, *self.workspace.releases_sharing()}
        files = {version: self.workspace.constraints(version) / "files.json" for version in sorted(versions)}
        return {version: path for version, path in files.items() if path.is_file()}

    def _wheelhouse_items(self) -> tuple[WheelhouseItem, ...]:
        sharing = self._sharing()
        repairs = {
            version: {item.name for item in manifest.load(self.workspace, version).repairs} for version in sharing
        }
        files = {version: constraints.load_files(path.parent) for version, path in sharing.items()}
        own = self.release.upstream
        pinned = {item.source.project for item in files[own]} | repairs[own]
        return constraints.wheelhouse_items(pinned, list(files.values()), set().union(*repairs.values()))

    def wheelhouse_step(self) -> Step:
        target = self.workspace.wheelhouse(self.release)
        requirements = self.workspace.toolchain

        def inputs(done: Done) -> Mapping[str, str]:
            # Each files.json names the digest of all that its release resolves, its repairs among them.
            files = self._sharing().values()
            paths = [self.folder / "files.json", *files, requirements, self.workspace.recipes]
            if missing := [path for path in paths if not path.is_file()]:
                raise ConstraintsError(f"{missing[0]} is missing", hint="it is part of the project: git checkout it")
            return {
                "tool": code("wheelhouse.py", "constraints.py", "backends.py", "wheel_files.py"),
                **file_digests(self.workspace.root, paths),
            }

        def do(done: Done) -> Made:
            from . import wheelhouse

            era = wheelhouse.Era(
                requirements=requirements,
                pure_pythons=_TOOLCHAIN_PYTHONS,
                recipes=manifest.load_recipes(self.workspace.recipes),
            )
            house = wheelhouse.fill(
                self._wheelhouse_items(), era, self.fetch, self.workspace, target, self.logs, self.jobs,
                lambda count, total, title: self.watcher.progress("wheelhouse", f"{count}/{total} {title}"),
            )  # fmt: skip
            record = {
                "wheels": [{"file": w.filename, "sha256": w.sha256, "size": w.size} for w in house.wheels],
                "not_done": not_done(house.not_done),
            }
            note = f"{len(house.wheels)} wheels" + (f", {len(house.not_done)} not done" if house.not_done else "")
            return Made(outputs=[wheel.path for wheel in house.wheels], record=record, note=note)

        return self.step("wheelhouse", inputs, do, "constraints")

    @property
    def own_steps(self) -> tuple[str, ...]:
        """The steps that make the wheels of this release."""
        return (*(f"wheel {item.name}" for item in self.manifest.distributions), "certified wheel")

    def wheel_steps(self, item: Distribution, locked: Path | None = None) -> tuple[Step, ...]:
        """The steps that make one patched distribution."""
        return self.fetch_step(item), self.wheel_step(item, locked)

    def steps(self) -> tuple[Step, ...]:
        """Every step up to the wheels."""
        return (
            self.constraints_step(),
            *(step for item in self.manifest.distributions for step in self.wheel_steps(item)),
            self.certified_step(),
            self.wheelhouse_step(),
        )

    def made_wheel(self, done: Done, item: Distribution) -> Wheel:
        """The wheel of a patched distribution."""
        [output] = done[f"wheel {item.name}"].outputs
        return wheel_at(output.path)


def _pins(requirements: Path) -> str:
    """The digest of a requirements file without its comments."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    return digest(*(line for line in lines if not line.startswith("#")))
