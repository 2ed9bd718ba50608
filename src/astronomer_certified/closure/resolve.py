"""Manifest + patched wheels -> the closure for one Python as of the cutoff, resolved by uv in a scratch folder.

uv locks a throw-away project whose extras are the release's; the lock says which pins each extra needs. It is not
kept: it records download addresses. Which files a pin has is read from the index's pages.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.metadata import parse_email
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from astronomer_certified.artifacts import Interpreter, Manifest, PinnedFile, Python, Resolution, ResolvedPin, Wheel
from astronomer_certified.effects.disk import scratch_folder
from astronomer_certified.errors import CommandFailed, ResolutionError
from astronomer_certified.formats import wheel_files
from astronomer_certified.pythons.environments import uv_call
from astronomer_certified.pythons.interpreters import uv
from astronomer_certified.source.index_client import IndexFile, Pages

from . import platforms

# Overrides win over the date; uv wants a date all the same. Its parser ends before the year 10000.
_NO_CUTOFF = datetime(9999, 12, 30, tzinfo=UTC)
# What asks a source for its requirements must be of the era, also where a release pins a later setuptools to be
# installed: from 58 on it refuses use_2to3, which Flask-OpenID says. constraints/toolchain.txt builds with the same.
_BUILD_CONSTRAINTS = ("setuptools<58",)
# uv asks a locked package for the index that it came from, and asks the configured one all the same (RFC 2606's name).
_NO_INDEX = "https://index.invalid/simple"


def resolve(
    manifest: Manifest, wheels: Mapping[NormalizedName, Wheel], interpreter: Interpreter, pages: Pages, scratch: Path
) -> Resolution:
    """The newest set of pins before the cutoff that satisfies the manifest; of what upstream tested with, where the
    manifest says what that was, as much as satisfies it. `wheels` are the patched distributions'.

    Raises `ResolutionError` with uv's reasoning, or `UpstreamError`.
    """
    with scratch_folder(scratch, f"resolve-{interpreter.python}") as folder:
        (folder / "pyproject.toml").write_text(_project(manifest, wheels, interpreter.python), encoding="utf-8")
        if preferred := _preferred(manifest, wheels, interpreter.python):
            (folder / "uv.lock").write_text(preferred, encoding="utf-8")
        common: list[str | Path] = ["--quiet", "--project", folder, "--python", interpreter.executable]
        try:
            uv_call([uv(), "lock", *common, *_dates(manifest, interpreter.python)], cwd=folder)
        except CommandFailed as err:
            if err.hint is not None:  # the system's refusal, not a resolution's
                raise
            raise ResolutionError(
                f"no solution for {manifest.release.tag} on Python {interpreter.python} as of {manifest.cutoff.date()}",
                details=err.details[1:],
                hint="add an [[override]] or [[later]] entry, or repair the distribution that is in the way",
            ) from err

        def exported(*extras: str) -> dict[NormalizedName, Version]:
            words: list[str | Path] = [
                uv(),
                "export",
                *common,
                # From the lock as it is; uv would look first whether it still holds.
                "--frozen",
                "--no-hashes",
                "--no-annotate",
                "--no-header",
                *extras,
            ]
            return _pins(uv_call(words, cwd=folder), interpreter.python, wheels, manifest)

        # From one lock: so an extra has the same pins whichever others are installed with it.
        everything = exported("--all-extras")
        core = frozenset(exported())
        extras = {name: frozenset(exported("--extra", canonicalize_name(name))) for name in manifest.extras}
    listed = pages.of([name for name in everything if name not in wheels])
    pins = {
        name: _resolved(name, version, listed.get(name, ()), manifest.listed) for name, version in everything.items()
    }
    _check_files(manifest, [pin for pin in pins.values() if pin.name not in wheels])
    _check_installable(manifest, pins, interpreter.python, listed)
    _check_providers(manifest, pins)
    return Resolution(python=interpreter.python, pins=pins, core=core, extras=extras)


def _project(manifest: Manifest, wheels: Mapping[NormalizedName, Wheel], python: Python) -> str:
    """A pyproject.toml whose lock is the closure. TOML's basic strings and arrays are JSON's."""
    core = manifest.core.name
    quote = json.dumps

    def array(items: Iterable[str]) -> str:
        return quote(list(items))

    def asked(extra: str) -> list[str]:
        stated = manifest.extra_requirements.get(extra)
        return [f"{core}[{extra}]"] if stated is None else [str(requirement) for requirement in stated]

    providers = [f"{name}=={version}" for name, version in manifest.providers.items() if name not in wheels]
    lines = [
        "[project]",
        'name = "astronomer-certified"',
        'version = "0"',
        f"requires-python = {quote(_patch_releases(manifest, python))}",
        f"dependencies = {array([core])}",
        "[project.optional-dependencies]",
        *(f"{quote(canonicalize_name(extra))} = {array(asked(extra))}" for extra in manifest.extras),
        # A source below counts for requirements of the project itself only: this makes them so.
        f"{quote('patched-distributions')} = {array(wheels)}",
        "[tool.uv]",
        "package = false",
        f"environments = {array(map(platforms.environment, manifest.machines))}",
        f"override-dependencies = {array(str(entry.requirement) for entry in manifest.overrides_on(python))}",
        # Not as requirements: a provider comes with its extra, and `_check_providers` looks whether it came.
        f"constraint-dependencies = {array(providers)}",
        f"build-constraint-dependencies = {array(_BUILD_CONSTRAINTS)}",
        "[tool.uv.sources]",
        *(f"{quote(name)} = {{ path = {quote(str(wheel.path.absolute()))} }}" for name, wheel in wheels.items()),
    ]
    return "\n".join(lines) + "\n"


def _patch_releases(manifest: Manifest, python: Python) -> str:
    """The patch releases of a Python that the closure is for (PEP 440)."""
    first = manifest.first_patch.get(python, 0)
    return f"=={python}.*" if first == 0 else f"=={python}.*,>={python}.{first}"


def _preferred(manifest: Manifest, wheels: Mapping[NormalizedName, Wheel], python: Python) -> str:
    """A uv.lock that says which versions to try first; empty when the manifest prefers none.

    uv keeps to the versions of a lock as far as the requirements allow, and to nothing else that could be told it. This
    one says of a version only that it is wanted: uv looks every file up on the index, and finds no address here.
    """
    preferences = manifest.preferences.get(python)
    if preferences is None:
        return ""
    decided = {*wheels, *(canonicalize_name(entry.requirement.name) for entry in manifest.overrides_on(python))}
    # uv throws a lock of other dates away, preferences and all: these are what `_dates` says.
    lines = ["version = 1", f"requires-python = {json.dumps(_patch_releases(manifest, python))}", "[options]"]
    lines += [f"exclude-newer = {json.dumps(_stamp(manifest.cutoff))}", "[options.exclude-newer-package]"]
    lines += [f"{json.dumps(name)} = {json.dumps(_stamp(cutoff))}" for name, cutoff in _later(manifest, python).items()]
    for name, version in preferences.pins.items():
        if name not in decided:
            lines += ["[[package]]", f"name = {json.dumps(name)}", f"version = {json.dumps(str(version))}"]
            lines += [f"source = {{ registry = {json.dumps(_NO_INDEX)} }}"]
    return "\n".join(lines) + "\n"


def _later(manifest: Manifest, python: Python) -> dict[NormalizedName, datetime]:
    """The projects that have another cutoff than the rest."""
    overrides = {canonicalize_name(entry.requirement.name): _NO_CUTOFF for entry in manifest.overrides_on(python)}
    return overrides | dict(manifest.later)


def _dates(manifest: Manifest, python: Python) -> list[str]:
    """uv's options for the cutoff; the settings file that keeps a user's out hides those of a pyproject.toml."""
    words = ["--exclude-newer", _stamp(manifest.cutoff)]
    for name, cutoff in _later(manifest, python).items():
        words += ["--exclude-newer-package", f"{name}={_stamp(cutoff)}"]
    return words


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _pins(
    text: str, python: Python, wheels: Mapping[NormalizedName, Wheel], manifest: Manifest
) -> dict[NormalizedName, Version]:
    """The pins of a requirements file that hold on this Python; patched distributions get their patched version."""
    patched = {item.name: item.release.patched for item in manifest.distributions}
    pins: dict[NormalizedName, Version] = {}
    for line in text.splitlines():
        # uv writes a wheel that was given by its path as a path or address, which has no version of the form
        # NAME==VERSION.
        if line.startswith(("/", "file:", "./")):
            name = parse_wheel_filename(unquote(urlsplit(line.split(" ;")[0]).path).rsplit("/", 1)[-1])[0]
            pins[name] = patched[name]
        elif (pin := _pin(line, python)) is not None:
            pins[pin[0]] = pin[1]
    # The certified wheel requires the core by a line of its own.
    pins.pop(manifest.core.name, None)
    return dict(sorted(pins.items()))


@functools.cache  # a hundred extras ask for the same few hundred lines
def _pin(line: str, python: Python) -> tuple[NormalizedName, Version] | None:
    """Name and version of one line; None when its marker does not hold on that Python."""
    requirement = Requirement(line)
    if not python.fits(requirement):
        return None
    return canonicalize_name(requirement.name), Version(next(iter(requirement.specifier)).version)


def _resolved(name: NormalizedName, version: Version, page: Sequence[IndexFile], until: datetime) -> ResolvedPin:
    """The pin with all its files on the index, those that came after the cutoff too: installers take them as well."""
    of_version = [file for file in page if file.version is not None and _parsed(file.version) == version]
    in_time = [file for file in of_version if file.uploaded is None or file.uploaded <= until]
    # What has no sha256 on the page could never be checked.
    listed = [file for file in in_time if file.sha256 is not None]
    pinned = {
        file.filename: PinnedFile(project=name, filename=file.filename, sha256=str(file.sha256)) for file in listed
    }
    sdists = [file for file in listed if file.filename.endswith((".tar.gz", ".zip"))]
    times = [file.uploaded for file in (sdists or listed) if file.uploaded is not None]
    return ResolvedPin(
        name=name,
        version=version,
        sdist=pinned[sdists[0].filename] if sdists else None,
        # SOURCE_DATE_EPOCH has whole seconds.
        uploaded=min(times).replace(microsecond=0) if times else None,
        wheels=tuple(pinned[filename] for filename in sorted(pinned) if filename.endswith(".whl")),
        requires_python=SpecifierSet(listed[0].requires_python or "") if listed else SpecifierSet(),
    )


@functools.cache  # each page is looked at for every Python
def _parsed(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _check_files(manifest: Manifest, pins: Sequence[ResolvedPin]) -> None:
    """An override may be younger than `listed`; without a file it would have no hash, and nothing could install it."""
    without = [f"{pin.name} {pin.version}" for pin in pins if not pin.wheels and pin.sdist is None]
    if without:
        raise ResolutionError(
            f"{manifest.path}: pins without a file that was uploaded up to {manifest.listed:%Y-%m-%d}",
            details=without,
            hint="set `listed` to a date on which they were there",
        )


def _check_installable(
    manifest: Manifest,
    pins: Mapping[NormalizedName, ResolvedPin],
    python: Python,
    listed: Mapping[NormalizedName, Sequence[IndexFile]],
) -> None:
    """uv takes no notice of the upper bounds of Requires-Python; pip does, and would find no candidate."""
    wrong = [
        f"{pin.name} {pin.version} is for Python {pin.requires_python}"
        + (
            f"; {instead} is for {python}"
            if (instead := _newest_for(python, listed[pin.name], manifest.cutoff))
            else ""
        )
        for pin in pins.values()
        if not pin.requires_python.contains(python.last)
    ]
    if wrong:
        raise ResolutionError(
            f"{manifest.release.tag}: pins that pip would not install on Python {python}", details=wrong,
            hint="add an [[override]] with a version that is for this Python",
        )  # fmt: skip


def _newest_for(python: Python, page: Sequence[IndexFile], until: datetime) -> Version | None:
    """The newest version of that time that pip would install on a Python."""
    found = [
        version
        for file in page
        if (version := _parsed(file.version or "")) is not None and not (version.is_prerelease or file.yanked)
        if file.uploaded is not None and file.uploaded <= until and python.runs(file.requires_python)
    ]
    return max(found, default=None)


def _check_providers(manifest: Manifest, pins: Mapping[NormalizedName, ResolvedPin]) -> None:
    wrong = [
        f"{name}: {pins[name].version if name in pins else 'not in the closure'}, the manifest says {version}"
        for name, version in manifest.providers.items()
        # A repaired provider has a local version behind the one that the manifest states.
        if name not in pins or pins[name].version.public != version.public
    ]
    if wrong:
        raise ResolutionError(
            f"{manifest.path}: the provider pins do not hold", details=wrong, hint="is each provider's extra listed?"
        )


def check_extras(manifest: Manifest, core: Wheel) -> None:
    """The manifest knows every extra that upstream declares: as one of its own, or as left out.

    Raises `ResolutionError` with what it forgets, and with what it leaves out though upstream has no such extra.
    """
    members = wheel_files.read(core.path)
    text = members[f"{wheel_files.dist_info(members)}/METADATA"].content
    declared = set(parse_email(text)[0].get("provides_extra", []))
    known = {*manifest.extras, *manifest.left_out}
    forgotten = [f"{name}: neither among `extras` nor in [left-out]" for name in declared - known]
    invented = [
        f"{name}: left out, but upstream declares no such extra" for name in manifest.left_out.keys() - declared
    ]
    if forgotten or invented:
        raise ResolutionError(
            f"{manifest.path} does not say what becomes of upstream's extras", details=sorted(forgotten + invented),
            hint="list each under `extras`, or under [left-out] with the reason",
        )  # fmt: skip


def lock_requirements(
    requirements: Sequence[str], interpreter: Interpreter, cutoff: datetime, scratch: Path,
    constraints: Sequence[str] = (),
) -> str:  # fmt: skip
    """Hashed pins (pip's requirements format) of what `requirements` need on that Python as of a date.

    `scratch` is a folder for temporary files. Raises `ResolutionError`, or `UpstreamError`.
    """
    python = interpreter.python
    if not requirements:
        return ""
    with scratch_folder(scratch, "lock") as folder:
        (folder / "in.txt").write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
        (folder / "constraints.txt").write_text("".join(f"{line}\n" for line in constraints), encoding="utf-8")
        words: list[str | Path] = [
            # Wheels only: what a source is built with is not built itself, for which others would be needed in turn.
            uv(), "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--generate-hashes",
            "--python-version", str(python), "--python", interpreter.executable, "--only-binary", ":all:",
            "--exclude-newer", _stamp(cutoff),
            # A constraint pins one version, which an override may have taken from after the date: hidden by the date,
            # it would leave who needs that project with versions so old that they do not.
            *(f"--exclude-newer-package={Requirement(line).name}={_stamp(_NO_CUTOFF)}" for line in constraints),
            "--constraints", folder / "constraints.txt", folder / "in.txt",
        ]  # fmt: skip
        try:
            return uv_call(words, cwd=folder)
        except CommandFailed as err:
            if err.hint is not None:  # the system's refusal, not a resolution's
                raise
            raise ResolutionError(
                f"no solution for {', '.join(requirements)} on Python {python} as of {cutoff:%Y-%m-%d}",
                details=err.details[1:],
            ) from err
