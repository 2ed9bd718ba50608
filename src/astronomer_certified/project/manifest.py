"""patches/X.Y.Z/release.toml and patches/NAME/VERSION/distribution.toml -> validated records."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from astronomer_certified.artifacts import (
    MACHINES,
    CommandLine,
    Distribution,
    Manifest,
    Override,
    PinnedFile,
    Python,
    Release,
    Restore,
    Stamp,
    Target,
)
from astronomer_certified.native.records import Recipe
from astronomer_certified.source.kinds import KINDS
from astronomer_certified.workspace import Workspace

from . import preferences
from . import toml_reader as toml
from .toml_reader import Problems, Table

CORE = canonicalize_name("apache-airflow")
# What the keys of a table of providers are put behind: 1.10 takes the providers of 2.0 as backports.
PROVIDER_PREFIXES = {
    "providers": "apache-airflow-providers-",
    "backport-providers": "apache-airflow-backport-providers-",
}

# Stand for what could not be read: reading goes on after a problem, so that one run names them all.
_NEVER = datetime(1980, 1, 1, tzinfo=UTC)
_NO_VERSION = Version("0")
_NO_FILE = PinnedFile(project=canonicalize_name("none"), filename="", sha256="")

T = TypeVar("T")
E = TypeVar("E", bound=enum.StrEnum)


def _as(parse: Callable[[str], T], error: type[Exception], what: str) -> Callable[[Any], T]:
    def parsed(value: Any) -> T:
        try:
            return parse(toml.text(value))
        except error as err:
            raise ValueError(f"not {what}: {value!r}") from err

    return parsed


_python = _as(Python.parse, ValueError, "a Python version like 3.8")
_version = _as(Version, InvalidVersion, "a version (PEP 440)")
_requirement = _as(Requirement, InvalidRequirement, "a requirement (PEP 508)")
_specifier = _as(SpecifierSet, InvalidSpecifier, "a version specifier (PEP 440)")


def _pinned(value: Any) -> Requirement:
    requirement = _requirement(value)
    # `==1.0.*` is a range.
    exact = [spec for spec in requirement.specifier if spec.operator == "==" and not spec.version.endswith(".*")]
    if len(requirement.specifier) != 1 or not exact:
        raise ValueError(f"must pin one version with '==', not {value!r}")
    return requirement


def _one_of(values: type[E]) -> Callable[[Any], E]:
    def parsed(value: Any) -> E:
        try:
            return values(value)
        except ValueError as err:
            raise ValueError(f"must be one of {', '.join(item.value for item in values)}, not {value!r}") from err

    return parsed


def _kind(value: Any) -> str:
    if toml.text(value) not in KINDS:
        raise ValueError(f"must be one of {', '.join(KINDS)}, not {value!r}")
    return toml.text(value)


def _named(filename: str) -> tuple[NormalizedName, Version]:
    """Project and version of a distribution's file name. Raises ValueError for what is neither sdist nor wheel."""
    try:
        if filename.endswith(".whl"):
            return parse_wheel_filename(filename)[:2]
        return parse_sdist_filename(filename)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion) as err:
        raise ValueError(f"neither an sdist's nor a wheel's file name: {filename!r}") from err


def _file(table: Table, name: NormalizedName, version: Version) -> PinnedFile:
    def matching(value: Any) -> str:
        filename = toml.file_name(value)
        if _named(filename) != (name, version):
            raise ValueError(f"{filename!r} is not a file of {name} {version}")
        return filename

    return PinnedFile(
        project=name,
        filename=table.get("file", matching, default=""),
        sha256=table.get("sha256", toml.sha256, default=""),
    )


def _distribution(top: Table, name: NormalizedName, folder: Path) -> Distribution:
    """The part that a release.toml and a distribution.toml share: source, build, stamp, restore."""
    version = top.get("version", _version, default=_NO_VERSION)
    revision = top.get("revision", toml.positive, default=1)
    # Everything finds a release by its folder; a copied one that states another version would shadow the first.
    if str(version) != folder.name and version != _NO_VERSION:
        top.problem("version", f"is {version}, but the folder is named {folder.name}")
    source = top.table("source")
    kind = source.get("kind", _kind, default=next(iter(KINDS)))
    source_file = _file(source, name, version)
    if source_file.filename and not KINDS[kind].holds(source_file.filename):
        source.problem("file", f"{source_file.filename!r} is not a {kind}")
    uploaded = source.get("uploaded", toml.moment, default=_NEVER)
    source.close()
    stamp = None
    # A wheel as source is its own measure: what we make of it differs by the series alone.
    upstream_wheel = source_file
    build_pythons = SpecifierSet()
    build_requires: tuple[Requirement, ...] = ()
    if KINDS[kind].built:
        wheel_table = top.table("upstream-wheel")
        upstream_wheel = _file(wheel_table, name, version)
        wheel_table.close()
        build = top.table("build")
        build_pythons = build.get("pythons", _specifier, default=SpecifierSet())
        build_requires = build.each("requires", _requirement, optional=True)
        build.close()
        stamp_table = top.table("stamp")
        stamp = Stamp(
            file=stamp_table.get("file", toml.inner_path, default=""),
            line=stamp_table.get("line", toml.text, default=""),
        )
        # The stamp is put in its place; in any other line it would change what the code does.
        if stamp.line and str(version) not in stamp.line:
            stamp_table.problem("line", f"does not hold the version {version}")
        stamp_table.close()
    restore = tuple(
        Restore(path=entry.get("path", toml.inner_path, default=""), reason=entry.get("reason", toml.text, default=""))
        for entry in top.tables("restore")
    )
    return Distribution(
        name=name,
        release=Release(version, revision),
        kind=kind,
        source=source_file,
        upstream_wheel=upstream_wheel,
        uploaded=uploaded,
        build_pythons=build_pythons,
        build_requires=tuple(build_requires),
        stamp=stamp,
        restore=restore,
        folder=folder,
    )


def load_distribution(path: Path) -> Distribution:
    """One repaired distribution. Raises `ManifestError` with all its problems."""
    top = toml.load(path)
    distribution = _distribution(top, canonicalize_name(path.parent.parent.name), path.parent)
    top.close()
    top.problems.finish()
    return distribution


def _providers(top: Table) -> dict[NormalizedName, Version]:
    return {
        canonicalize_name(prefix + name): version
        for key, prefix in PROVIDER_PREFIXES.items()
        for name, version in top.table(key, optional=True).items(_version)
    }


def _each_once(top: Table, key: str, values: Sequence[object]) -> None:
    names = [str(value) for value in values]
    for name in sorted({name for name in names if names.count(name) > 1}):
        top.problem(key, f"{name!r} stands there twice")


def _extras(top: Table) -> tuple[tuple[str, ...], frozenset[str]]:
    extras = top.each("extras", toml.text)
    default = top.each("default-extras", toml.text)
    for name in default:
        if name not in extras:
            top.problem("default-extras", f"{name!r} is not one of the extras")
    _each_once(top, "extras", extras)
    return extras, frozenset(default)


def load(workspace: Workspace, version: Version) -> Manifest:
    """The release that patches/VERSION states, with its repairs. Raises `ManifestError` with all problems of a file."""
    path = workspace.manifest(version)
    top = toml.load(path)
    core = _distribution(top, CORE, path.parent)
    pythons = top.each("pythons", _as(Python.parse, ValueError, "a Python version like 3.8"), filled=True)
    _each_once(top, "pythons", pythons)
    machines = _machines(top)
    cutoff = top.get("cutoff", toml.moment, default=_NEVER)
    if cutoff < core.uploaded:
        top.problem("cutoff", f"is before the upload of the source ({core.uploaded:%Y-%m-%d})")
    listed = top.get("listed", toml.moment, default=cutoff, optional=True)
    # A file of a pin that was uploaded later than this is as if it were not there: the pins could not be had.
    if listed < cutoff:
        top.problem("listed", f"is before the cutoff ({cutoff:%Y-%m-%d})")
    repairs = top.each("repairs", _pinned, optional=True)
    _each_once(top, "repairs", [canonicalize_name(repair.name) for repair in repairs])
    providers = _providers(top)
    extras, default = _extras(top)
    extra_requirements = _extra_requirements(top, extras)
    left_out_table = top.table("left-out", optional=True)
    left_out = dict(left_out_table.items(toml.text))
    for name in sorted(left_out.keys() & set(extras)):
        left_out_table.problem(name, "is one of the extras, too")
    no_longer_fixed = dict(top.table("no-longer-fixed", optional=True).items(toml.text))
    documented = dict(top.table("documented-providers", optional=True).items(_version))
    overrides = _overrides(top, pythons)
    later = {}
    for entry in top.tables("later"):
        entry.get("reason", toml.text, default="")  # read and thrown away: whoever moves a date must say why
        later[canonicalize_name(entry.get("package", toml.text, default="none"))] = entry.get(
            "cutoff", toml.moment, default=_NEVER
        )
    first_patch = _by_python(top.table("first-patch-release", optional=True), pythons, toml.positive)
    certify = top.table("certify")
    certify_python = certify.get("python", _python, default=Python(3, 8))
    if pythons and certify_python not in pythons:
        certify.problem("python", f"{certify_python} is not one of the release's pythons")
    command_line = certify.get("command-line", _one_of(CommandLine), default=CommandLine.GROUPED, optional=True)
    certify_pip = certify.get("pip", _version, default=_NO_VERSION)
    other_pips = _by_python(certify.table("pip-for", optional=True), pythons, _version)
    certify_extras = certify.each("extras", toml.text)
    for name in certify_extras:
        # `default` is no extra of upstream's: the certified wheel adds it.
        if name not in (*extras, "default"):
            certify.problem("extras", f"{name!r} is not one of the extras")
    certify.close()
    top.close()
    # Before the repairs, which are files of their own with problems of their own.
    top.problems.finish()
    return Manifest(
        path=path,
        core=core,
        repairs=tuple(_repair(workspace, requirement, top.problems) for requirement in repairs),
        pythons=tuple(sorted(pythons)),
        machines=machines,
        cutoff=cutoff,
        listed=listed,
        providers=providers,
        documented_providers=documented,
        extras=extras,
        left_out=left_out,
        no_longer_fixed=no_longer_fixed,
        default_extras=default,
        extra_requirements=extra_requirements,
        overrides=overrides,
        later=later,
        preferences=preferences.load(path.parent, pythons),
        first_patch=first_patch,
        command_line=command_line,
        pips={python: other_pips.get(python, certify_pip) for python in pythons},
        target=Target(python=certify_python, extras=certify_extras),
    )


def _machines(top: Table) -> tuple[str, ...]:
    """The machines that the release is for, in one order however they are stated."""
    stated = top.each("machines", toml.text, optional=True, filled=True) or MACHINES[:1]
    _each_once(top, "machines", stated)
    for name in stated:
        if name not in MACHINES:
            top.problem("machines", f"must be of {', '.join(MACHINES)}, not {name!r}")
    if MACHINES[0] not in stated:
        top.problem("machines", f"lacks {MACHINES[0]}, on which a release is certified")
    return tuple(name for name in MACHINES if name in stated)


def _extra_requirements(top: Table, extras: tuple[str, ...]) -> dict[str, tuple[Requirement, ...]]:
    """What some extras ask for in place of the extra of the same name of upstream's core."""
    table = top.table("extra-requirements", optional=True)
    stated = {}
    for name in table.names():
        if name not in extras:
            table.problem(name, "is not one of the extras")
        stated[name] = table.each(name, _requirement)
    return stated


def _overrides(top: Table, pythons: tuple[Python, ...]) -> tuple[Override, ...]:
    """The overrides, of which no two are about one project on one Python."""
    stated: list[Override] = []
    for entry in top.tables("override"):
        override = Override(
            requirement=entry.get("requirement", _pinned, default=Requirement("none")),
            reason=entry.get("reason", toml.text, default=""),
            pythons=entry.each("pythons", _python, optional=True, filled=True),
        )
        for python in override.pythons:
            if python not in pythons:
                entry.problem("pythons", f"{python} is not one of the release's pythons")
        name = canonicalize_name(override.requirement.name)
        same = (known for known in stated if canonicalize_name(known.requirement.name) == name)
        for known in same:
            if any(known.holds(python) and override.holds(python) for python in pythons):
                entry.problem("requirement", f"{known} is one of the overrides, too")
        stated.append(override)
    return tuple(stated)


def _by_python(table: Table, pythons: tuple[Python, ...], value: Callable[[Any], T]) -> dict[Python, T]:
    """What a table says of some of the release's Pythons."""
    stated = {}
    for name, item in table.items(value):
        if name in map(str, pythons):
            stated[Python.parse(name)] = item
        else:
            table.problem(name, "is not one of the release's pythons")
    return stated


def _repair(workspace: Workspace, requirement: Requirement, problems: Problems) -> Distribution:
    version = Version(next(iter(requirement.specifier)).version)
    path = workspace.distribution(canonicalize_name(requirement.name), version)
    # Nothing can stand for a repair: whatever came next would be about a distribution that is not there.
    if not path.is_file():
        problems.add("repairs", f"{requirement} needs {path.relative_to(workspace.root)}, which is not there")
        problems.finish()
    return load_distribution(path)


def load_recipes(path: Path, libraries: Collection[str]) -> dict[NormalizedName, Recipe]:
    """constraints/builds.toml: what the build of some projects needs beyond the era. Raises `ManifestError`.

    `libraries` are the names that constraints/native.toml knows.
    """
    top = toml.load(path)
    recipes = {}
    for name in top.names():
        table = top.table(name)
        recipe = Recipe(
            compiled=table.get("compiled", toml.boolean, default=False, optional=True),
            links=table.each("links", toml.text, optional=True),
            build=table.get("build", toml.positive, default=1),
        )
        for library in recipe.links:
            if library not in libraries:
                table.problem("links", f"{library} is not in constraints/native.toml")
        recipes[canonicalize_name(name)] = recipe
        table.close()
    top.close()
    top.problems.finish()
    return recipes
