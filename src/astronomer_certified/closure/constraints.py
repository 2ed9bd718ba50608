"""Resolutions -> the committed files of constraints/X.Y.Z/, and back. Reads and writes that folder only.

    constraints-PY.txt          the closure of all extras on one Python, for `pip -c`
    constraints-PY-hashes.txt   the same with the sha256 of every upstream file of each pin
    extras.json                 which names of the closure each extra needs, by Python
    files.json                  the file of every pin on each Python with its sha256: a wheel, or an sdist to build
    build-requirements.txt      hashed: what sources of this era are built with
    proof-requirements-PY.txt   hashed: what proofs are run with

Each says from which inputs it was made; files made from other inputs are refused.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from astronomer_certified.artifacts import (
    MACHINES,
    Constraints,
    Manifest,
    Pin,
    PinnedFile,
    Python,
    Resolution,
    ResolvedPin,
    WheelhouseItem,
)
from astronomer_certified.errors import ConstraintsError

from .platforms import usable_wheel

_INPUTS = "# inputs sha256: "
# For files of an index that gives no upload times.
_NO_TIME = datetime(1980, 1, 1, tzinfo=UTC)


def inputs_digest(manifest: Manifest, patches: Mapping[str, str]) -> str:
    """sha256 of everything in the repository that a resolution depends on.

    `patches` maps the patches of repairs, and those that change the core's metadata, to their sha256; other patches,
    and the revision, do not change what is required.
    """
    stated = {
        "source": manifest.core.source.sha256,
        "repairs": {f"{item.name}=={item.release.patched}": item.source.sha256 for item in manifest.repairs},
        "patches": dict(patches),
        "cutoff": manifest.cutoff.isoformat(),
        "listed": manifest.listed.isoformat(),
        # The day as of which the build requirements are locked.
        "uploaded": manifest.core.uploaded.isoformat(),
        "pythons": [str(python) for python in manifest.pythons],
        "extras": list(manifest.extras),
        "extra-requirements": {
            name: [str(requirement) for requirement in asked] for name, asked in manifest.extra_requirements.items()
        },
        "providers": {name: str(version) for name, version in manifest.providers.items()},
        # Without their reasons, which change no pin.
        "overrides": [str(entry) for entry in manifest.overrides],
        "later": {name: cutoff.isoformat() for name, cutoff in manifest.later.items()},
        "build": [str(requirement) for requirement in manifest.core.build_requires],
    }
    if manifest.preferences:  # not an empty one: constraints that were made before there were any stay current
        stated["preferences"] = {str(python): item.sha256 for python, item in manifest.preferences.items()}
    if manifest.machines != MACHINES[:1]:
        stated["machines"] = list(manifest.machines)
    if manifest.first_patch:
        stated["first-patch-release"] = {str(python): patch for python, patch in manifest.first_patch.items()}
    return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()


# A file, whether it is built, its version, and its upload.
_File = tuple[PinnedFile, bool, Version, datetime]
_Place = tuple[Python, str]


def plan_files(resolutions: Sequence[Resolution], machines: Sequence[str] = MACHINES[:1]) -> tuple[WheelhouseItem, ...]:
    """The file of every pin on each Python and machine: upstream's wheel, or the sdist that must be built where none
    is usable.

    Raises `ConstraintsError` for a pin that has neither.
    """
    needed: dict[_File, set[_Place]] = {}
    for resolution in resolutions:
        for pin in resolution.pins.values():
            if not (pin.sdist or pin.wheels):
                continue  # a patched distribution: its wheel is ours
            for machine in machines:
                wheel = usable_wheel(pin.wheels, resolution.python, machine)
                source = wheel or pin.sdist
                if source is None:
                    raise ConstraintsError(
                        f"{pin.name} {pin.version} has neither a wheel for Python {resolution.python} on {machine} nor"
                        " an sdist",
                        hint="add an [[override]] with another version, or repair it",
                    )
                key = (source, wheel is None, pin.version, pin.uploaded or _NO_TIME)
                needed.setdefault(key, set()).add((resolution.python, machine))
    return _items(needed)


def _items(needed: Mapping[_File, set[_Place]]) -> tuple[WheelhouseItem, ...]:
    """One item for each file, or several where some of its Pythons need it on other machines than the rest."""
    items = []
    for (source, build, version, uploaded), places in needed.items():
        alike: dict[tuple[str, ...], list[Python]] = {}
        for python in sorted({python for python, _ in places}):
            machines = tuple(machine for machine in MACHINES if (python, machine) in places)
            alike.setdefault(machines, []).append(python)
        items += [
            WheelhouseItem(
                source=source, version=version, uploaded=uploaded, build=build,
                pythons=tuple(pythons), machines=machines,
            )
            for machines, pythons in alike.items()
        ]  # fmt: skip
    # files.json is committed: the same resolution must give the same bytes.
    return tuple(sorted(items, key=lambda item: (item.source.project, item.source.filename, item.pythons)))


def wheelhouse_items(
    pinned: Collection[NormalizedName],
    releases: Sequence[Sequence[WheelhouseItem]],
    repaired: Collection[NormalizedName] = (),
) -> tuple[WheelhouseItem, ...]:
    """What the index must hold for a release that pins these projects, given the files of all releases that may share
    the index and the projects that any of them repairs.

    A project of which the index holds one wheel is answered by it alone. So of each project that any release builds or
    repairs, and this one pins, all wheels that any release pins must be there, whichever release is published first.
    """
    ours = {item.source.project for items in releases for item in items if item.build}.union(repaired)
    needed: dict[_File, set[_Place]] = {}
    for items in releases:
        for item in items:
            if item.source.project in ours and item.source.project in pinned:
                key = (item.source, item.build, item.version, item.uploaded)
                needed.setdefault(key, set()).update(itertools.product(item.pythons, item.machines))
    return _items(needed)


def rendered(
    manifest: Manifest,
    digest: str,
    resolutions: Sequence[Resolution],
    patched: Mapping[NormalizedName, str],
    locks: Mapping[str, str],
) -> dict[str, str]:
    """The folder's files by name. `patched` is the sha256 of each repaired wheel, `locks` the text of hashed locks."""
    files: dict[str, str] = {}
    for resolution in resolutions:
        title = f"the closure of all extras on Python {resolution.python}"
        head = _header(manifest, digest, title, _preferred(manifest, resolution))
        pins = resolution.pins.values()
        files[f"constraints-{resolution.python}.txt"] = head + "".join(f"{pin.name}=={pin.version}\n" for pin in pins)
        files[f"constraints-{resolution.python}-hashes.txt"] = head + "".join(_hashed(pin, patched) for pin in pins)
    files["extras.json"] = _json(
        digest,
        {
            str(resolution.python): {"": sorted(resolution.core)}
            | {extra: sorted(names - resolution.core) for extra, names in resolution.extras.items()}
            for resolution in resolutions
        },
    )
    items = [
        {
            "project": item.source.project,
            "version": str(item.version),
            "file": item.source.filename,
            "sha256": item.source.sha256,
            "build": item.build,
            "uploaded": item.uploaded.isoformat(),
            "pythons": [str(python) for python in item.pythons],
            # Where nothing is said of machines, it is for the one that every release is for.
            **({"machines": list(item.machines)} if item.machines != MACHINES[:1] else {}),
        }
        for item in plan_files(resolutions, manifest.machines)
    ]
    files["files.json"] = _json(digest, {"files": items})
    for name, text in locks.items():
        files[name] = _header(manifest, digest, name.removesuffix(".txt").replace("-", " ")) + text
    return files


def _preferred(manifest: Manifest, resolution: Resolution) -> list[str]:
    """The line that says how many pins are those that upstream tested with; none where nobody said which these are."""
    preferences = manifest.preferences.get(resolution.python)
    if preferences is None:
        return []
    pins = resolution.pins.values()
    same = sum(preferences.pins.get(pin.name) == pin.version for pin in pins)
    other = sum(pin.name in preferences.pins for pin in pins) - same
    where = f"patches/{manifest.release.upstream}/{preferences.path.name}"
    said = f"{same} of {len(pins)} pins are its own, {other} are other versions, it has no word on the rest"
    return [f"# preferred {where} (what upstream tested with): {said}."]


def _header(manifest: Manifest, digest: str, title: str, more: Sequence[str] = ()) -> str:
    version = manifest.release.upstream
    lines = [
        f"# Astronomer Certified of Apache Airflow {version}: {title}.",
        f"# Made by `certified constraints {version}`, resolved by uv as of {manifest.cutoff:%Y-%m-%d}; do not edit.",
        *(f"# override {entry}: {' '.join(entry.reason.split())}" for entry in manifest.overrides),
        *(
            f"# repaired {item.name}=={item.release.patched}: patches/{item.name}/{item.release.upstream}"
            for item in manifest.repairs
        ),
        *more,
        f"{_INPUTS}{digest}",
    ]
    return "\n".join(lines) + "\n"


def _hashed(pin: ResolvedPin, patched: Mapping[NormalizedName, str]) -> str:
    hashes = {file.sha256 for file in (*pin.wheels, *([pin.sdist] if pin.sdist else []))}
    if pin.name in patched:
        # No upstream index has a file of it: the wheel that we make is the only one.
        hashes = {patched[pin.name]}
    return f"{pin.name}=={pin.version}" + "".join(f" \\\n    --hash=sha256:{value}" for value in sorted(hashes)) + "\n"


def _json(digest: str, content: Mapping[str, Any]) -> str:
    return json.dumps({"inputs": digest, **content}, indent=1, sort_keys=True) + "\n"


def _stale(path: Path, found: str | None) -> ConstraintsError:
    why = "is missing" if found is None else "was made from other inputs than the manifest and its patches state now"
    version = path.parent.name
    return ConstraintsError(f"{path} {why}", hint=f"run `certified constraints {version}` and commit what it writes")


def check_current(folder: Path, digest: str, names: Iterable[str]) -> None:
    """Every file is there and was made from these inputs. Raises `ConstraintsError` for the first that is not so."""
    for name in names:
        path = folder / name
        if not path.is_file():
            raise _stale(path, None)
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            found = _inputs_of_json(text)
        else:
            match = re.search(rf"^{re.escape(_INPUTS)}([0-9a-f]+)$", text, re.MULTILINE)
            found = match.group(1) if match else ""
        if found != digest:
            raise _stale(path, found)


def _inputs_of_json(text: str) -> str:
    try:
        return str(json.loads(text)["inputs"])
    except (ValueError, KeyError, TypeError):  # torn, or two versions merged by hand
        return ""


def file_names(pythons: Sequence[Python]) -> tuple[str, ...]:
    """The names of all files of a constraints folder."""
    by_python = (
        name
        for python in pythons
        for name in (
            f"constraints-{python}.txt",
            f"constraints-{python}-hashes.txt",
            f"proof-requirements-{python}.txt",
        )
    )
    return (*by_python, "extras.json", "files.json", "build-requirements.txt")


def load(folder: Path, pythons: Sequence[Python]) -> tuple[Constraints, ...]:
    """The constraints of each Python, from files that `check_current` passed. Raises `ConstraintsError`."""
    extras = json.loads((folder / "extras.json").read_text(encoding="utf-8"))
    loaded = []
    for python in pythons:
        pins = read_hashed(folder / f"constraints-{python}-hashes.txt")
        plain = (folder / f"constraints-{python}.txt").read_text(encoding="utf-8")
        # Users name the plain file, the tool reads the one with hashes: both must say the same.
        if [line for line in plain.splitlines() if not line.startswith("#")] != [
            f"{pin.name}=={pin.version}" for pin in pins.values()
        ]:
            raise ConstraintsError(
                f"{folder}/constraints-{python}.txt and its -hashes variant name different pins",
                hint="both are made by `certified constraints`; do not edit them",
            )
        named = {
            name: frozenset(canonicalize_name(item) for item in items) for name, items in extras[str(python)].items()
        }
        # The empty name is that of the core: what it needs without any extra.
        loaded.append(Constraints(python=python, pins=pins, core=named.pop(""), extras=named))
    return tuple(loaded)


class Committed:
    """The committed constraints of a release, read when they are first asked for."""

    def __init__(self, folder: Path, pythons: Sequence[Python]) -> None:
        self.folder = folder
        self.pythons = tuple(pythons)
        self._loaded: tuple[Constraints, ...] | None = None

    def every(self) -> tuple[Constraints, ...]:
        """Those of each Python. Raises `ConstraintsError`."""
        if self._loaded is None:
            self._loaded = load(self.folder, self.pythons)
        return self._loaded

    def of(self, python: Python) -> Constraints:
        """Those of one Python of the release. Raises `ConstraintsError`."""
        return self.every()[self.pythons.index(python)]

    def known(self) -> frozenset[str]:
        """The sha256 of every file that any of them allows. Raises `ConstraintsError`."""
        return frozenset(sha256 for item in self.every() for pin in item.pins.values() for sha256 in pin.sha256)


def read_hashed(path: Path) -> dict[NormalizedName, Pin]:
    """The pins of a hashed requirements file, in its order. Raises `ConstraintsError`."""
    pins: dict[NormalizedName, Pin] = {}
    # A line that ends in a backslash goes on in the next one.
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        name, version = _pin(path, words[0])
        hashes = frozenset(
            word.removeprefix("--hash=sha256:") for word in words[1:] if word.startswith("--hash=sha256:")
        )
        if not hashes:
            raise ConstraintsError(f"{path}: {name} has no hash")
        pins[name] = Pin(name=name, version=version, sha256=hashes)
    return pins


def _pin(path: Path, word: str) -> tuple[NormalizedName, Version]:
    try:
        requirement = Requirement(word)
        # Anything but one specifier is a ValueError here.
        (specifier,) = requirement.specifier
        if specifier.operator != "==":
            raise ValueError("a range")
        return canonicalize_name(requirement.name), Version(specifier.version)
    except ValueError as err:  # InvalidRequirement and InvalidVersion are ValueErrors, too
        raise ConstraintsError(f"{path}: not a pin: {word!r}", hint="do not edit it") from err


def check_toolchain(path: Path, asked: Mapping[str, Collection[Python]]) -> None:
    """The toolchain of the wheelhouse has all that sources ask for. Raises `ConstraintsError` with what it lacks.

    `asked` has the Pythons that may build the sources which ask for it.
    """
    pins = read_hashed(path)
    lacking: dict[NormalizedName, SpecifierSet] = {}
    for line, pythons in asked.items():
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        # Not this interpreter: what is built for Python 3.6 is built by it.
        if not any(python.fits(requirement) for python in pythons):
            continue
        if (pin := pins.get(name)) is None or pin.version not in requirement.specifier:
            # As one requirement: dozens of sources ask for the same, each in words of its own.
            lacking[name] = lacking.get(name, SpecifierSet()) & requirement.specifier
    if lacking:
        proposed = [f"{name}{specifier}" for name, specifier in sorted(lacking.items())]
        raise ConstraintsError(
            f"{path} lacks what sources of the wheelhouse ask for",
            details=[
                f"{line} (it has {pins[name].version})" if name in pins else line
                for name, line in zip(sorted(lacking), proposed, strict=True)
            ],
            hint=f"make it anew as its head says, with {' '.join(map(repr, proposed))} (every wheel of the wheelhouse"
            " is then built anew), or replace the sources that ask for it by an [[override]] that has a wheel",
        )


def load_files(folder: Path) -> tuple[WheelhouseItem, ...]:
    """The files of a release's pins, from a folder that `check_current` passed."""
    return tuple(
        WheelhouseItem(
            source=PinnedFile(project=canonicalize_name(item["project"]), filename=item["file"], sha256=item["sha256"]),
            version=Version(item["version"]),
            uploaded=datetime.fromisoformat(item["uploaded"]),
            build=item["build"],
            pythons=tuple(Python.parse(python) for python in item["pythons"]),
            machines=tuple(item.get("machines", MACHINES[:1])),
        )
        for item in json.loads((folder / "files.json").read_text(encoding="utf-8"))["files"]
    )
