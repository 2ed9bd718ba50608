"""An upstream version -> a draft of its release.toml, with what a human still has to decide. Reads the upstream index.

What a machine can find out stands in the draft; what it can only guess is a decision, in the draft's own words. A
release that is there already says which extras and providers releases of this project have: the draft follows it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from packaging.metadata import parse_email
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from astronomer_certified.artifacts import Manifest, PinnedFile, Python, UpstreamFile
from astronomer_certified.errors import ManifestError, UpstreamError
from astronomer_certified.formats import archives, wheel_files
from astronomer_certified.formats.wheel_files import Member
from astronomer_certified.project.manifest import CORE, PROVIDER_PREFIXES
from astronomer_certified.source.index_client import IndexFile, Pages
from astronomer_certified.source.kinds import KINDS

_WEEK = timedelta(days=7)
_CLASSIFIER = re.compile(r"Programming Language :: Python :: (3\.\d+)")
_DEVELOPMENT = re.compile(r"devel|doc($|[_-])")
_STAMP_FILES = ("airflow/version.py", "setup.py", "airflow/__init__.py", "src/airflow/__init__.py")
_STAMP = re.compile(r"""^(__version__|version) = ["']([^"']+)["']$""", re.MULTILINE)
# For sources that do not say what they are built with: later ones refuse what setup.py files of that time do.
_LEGACY_BUILD = ("setuptools<58", "wheel<0.38")
_GROUPED = "airflow/cli/cli_parser.py"
_DEVELOPMENT_WHY = "tools to develop Airflow itself, not to run it"
# What the wheel diff gate says of a file that the build lost, or left empty.
_WIDTH = 118

# The oldest Python that this project has releases for.
_OLDEST = Python(3, 6)

# Where the code is from Airflow 3 on.
_NEW_CORE = "apache-airflow-core"

# What the first line of every draft says, until a human makes a release of it.
MARK = "a DRAFT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a human must decide: `what` and, in the tools' words, why; and how the line of the draft begins that says
    what the tool took in the meantime. Empty where there is no such line."""

    what: str
    line: str = ""
    why: tuple[str, ...] = ()

    def told(self, path: Path, text: str) -> str:
        """For people: with the file, and the line of its `text` where there is one."""
        lines = enumerate(text.splitlines(), 1)
        number = next((number for number, line in lines if self.line and line.startswith(self.line)), None)
        where = f"{path}:{number}" if number else f"{path}"
        return "\n".join([f"{where}: {self.what}", *(f"    {line}" for line in self.why)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The text of a release.toml, and what a human must decide before it is a release. `builds` says whether its core
    wheel was built and its closure resolved; None when nobody tried.

    `older` are the other versions that each provider could have, by the key of its line, the newest first; `asking` the
    extras of upstream that ask for a project themselves.
    """

    version: Version
    text: str
    decisions: tuple[Decision, ...]
    older: Mapping[str, tuple[Version, ...]] = field(default_factory=dict)
    asking: Mapping[NormalizedName, tuple[str, ...]] = field(default_factory=dict)
    builds: bool | None = None

    @property
    def pythons(self) -> tuple[Python, ...]:
        """The Pythons that it is for."""
        return tuple(Python.parse(name) for name in tomllib.loads(self.text)["pythons"])


@dataclass(slots=True, kw_only=True)
class _Findings:
    """What was found out of an upstream version, and the questions that came up on the way."""

    version: Version
    kind: str
    source: IndexFile
    wheel: IndexFile
    uploaded: datetime
    metadata: Mapping[str, Sequence[str]]
    sources: Mapping[str, str] = field(default_factory=dict)
    build_requires: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    grouped: bool = True
    decisions: list[Decision] = field(default_factory=list)

    def ask(self, what: str, line: str) -> None:
        """One more thing that a human must decide; the draft's line that `line` begins says what was taken so far."""
        self.decisions.append(Decision(what=what, line=line))

    @property
    def cutoff(self) -> datetime:
        return (self.uploaded + _WEEK).replace(hour=0, minute=0, second=0, microsecond=0)

    @property
    def declared(self) -> list[str]:
        return list(self.metadata.get("provides_extra", ()))

    def spelled(self, extra: str) -> str | None:
        """An extra as upstream declares it now, whose names are normalized from 2.9 on (PEP 685); None when it is
        not declared any more."""
        return next((name for name in self.declared if canonicalize_name(name) == canonicalize_name(extra)), None)

    @property
    def pythons(self) -> tuple[Python, ...]:
        found = {match[1] for line in self.metadata.get("classifiers", ()) if (match := _CLASSIFIER.search(line))}
        allowed = str(self.metadata.get("requires_python") or "")
        pythons = sorted(Python.parse(name) for name in found)
        said = tuple(python for python in pythons if python >= _OLDEST and python.runs(allowed))
        # 1.10.3 names 3.5 as the last, and forbids no later one.
        return said or ((_OLDEST,) if pythons and _OLDEST.runs(allowed) else ())


def draft(
    version: Version, template: Manifest, pages: Pages, fetch: Callable[[PinnedFile], UpstreamFile], today: datetime
) -> Draft:
    """The draft of a version's release. `template` is a release whose default extras and providers it follows.

    Raises `UpstreamError` when the index has no wheel of that version.
    """
    found = _find(version, pages, fetch)
    providers = _providers(found, template, pages)
    text = _render(found, template, {extra: versions[0] for extra, versions in providers.items()}, today)
    older = {extra: versions[1:] for extra, versions in providers.items()}
    return Draft(version=version, text=text, decisions=tuple(found.decisions), older=older, asking=_asking(found))


_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


def _asking(found: _Findings) -> dict[NormalizedName, tuple[str, ...]]:
    """The extras, as upstream spells them, that ask for a project, by the names of the projects."""
    asking: dict[NormalizedName, tuple[str, ...]] = {}
    for line in found.metadata.get("requires_dist", ()):
        names = [name for text in _EXTRA.findall(line) if (name := found.spelled(text)) is not None]
        requirement = Requirement(line)
        # An extra of the core that an extra asks for stands for the project that it is called after, if any is.
        of_its_own = requirement.extras if canonicalize_name(requirement.name) == CORE else ()
        for project in map(canonicalize_name, of_its_own or (requirement.name,)):
            asking[project] = (*asking.get(project, ()), *names)
    return asking


def _find(version: Version, pages: Pages, fetch: Callable[[PinnedFile], UpstreamFile]) -> _Findings:
    """What upstream's files say of a version. Raises `UpstreamError` when there is no wheel of it."""
    listed = _listed(version, pages)
    wheels = [file for file in listed if file.filename.endswith("-none-any.whl")]
    if not wheels:
        raise UpstreamError(f"{CORE} {version} has no wheel on the upstream index to compare with")
    wheel = wheels[0]
    # By kinds, not by files: the first kind is the better source.
    kind, source = next((name, file) for name in KINDS for file in listed if KINDS[name].holds(file.filename))
    members = wheel_files.read(fetch(_pinned(wheel)).path)
    raw = parse_email(members[f"{wheel_files.dist_info(members)}/METADATA"].content)[0]
    found = _Findings(
        version=version, kind=kind, source=source, wheel=wheel,
        uploaded=source.uploaded or datetime(1980, 1, 1, tzinfo=UTC), metadata=raw,  # type: ignore[arg-type]
    )  # fmt: skip
    elsewhere = [
        line for line in raw.get("requires_dist", ()) if canonicalize_name(Requirement(line).name) == _NEW_CORE
    ]
    if elsewhere:
        raise UpstreamError(
            f"{CORE} {version} holds no code: that is in {_NEW_CORE} and others, which it requires",
            details=[line for line in elsewhere if "extra ==" not in line],
            hint="this project patches the distribution with the code, and knows that of Airflow 1 and 2 only",
        )
    found.grouped = _GROUPED in members
    if source.uploaded is None:
        found.ask(
            "the index does not say when the source was uploaded: `uploaded` and `cutoff` are made up", "uploaded ="
        )
    if version.is_prerelease:
        found.ask(f"{version} is a pre-release: is the final one meant?", "version =")
    if any(file.yanked for file in listed):
        found.ask("upstream yanked this version: find out why", "version =")
    if KINDS[kind].built:
        _look_into(found, fetch(_pinned(source)).path, members)
    return found


def _listed(version: Version, pages: Pages) -> list[IndexFile]:
    """Upstream's files of a version. Raises `UpstreamError` that names near versions when there are none."""
    every = pages.of([CORE])[CORE]
    listed = [file for file in every if _parsed(file.version) == version]
    if not listed:
        known = sorted({parsed for file in every if (parsed := _parsed(file.version))})
        near = [str(other) for other in known if other.release[:2] == version.release[:2]]
        raise UpstreamError(
            f"the upstream index has no {CORE} {version}", details=[f"of that line it has {', '.join(near) or 'none'}"]
        )
    return listed


def _look_into(found: _Findings, sdist: Path, members: Mapping[str, Member]) -> None:
    """What a source says of its build is found, and which files of upstream's wheel it lacks."""
    found.sources, names = _read_sdist(sdist)
    found.build_requires = archives.build_requires(sdist)
    in_wheel = [name for name in members if ".dist-info/" not in name and ".data/" not in name]
    found.missing = tuple(sorted(name for name in in_wheel if name not in names and f"src/{name}" not in names))


def _read_sdist(path: Path) -> tuple[dict[str, str], set[str]]:
    """The text of the files that may hold the version, and the names of all files, below the top folder."""
    texts, names = {}, set()
    for name, read in archives.sdist_files(path):
        names.add(name)
        if name in _STAMP_FILES:
            texts[name] = read().decode("utf-8", "replace")
    return texts, names


def _pinned(file: IndexFile) -> PinnedFile:
    if file.sha256 is None:
        raise UpstreamError(f"the index gives no sha256 for {file.filename}", hint="name another index")
    return PinnedFile(project=CORE, filename=file.filename, sha256=file.sha256)


def _parsed(text: str | None) -> Version | None:
    try:
        return Version(text or "")
    except InvalidVersion:
        return None


def _providers(found: _Findings, template: Manifest, pages: Pages) -> dict[str, tuple[Version, ...]]:
    """The versions that each provider of the template had at the cutoff, newest first, by the name of its extra."""
    prefix = PROVIDER_PREFIXES["providers"]
    named = {
        extra: canonicalize_name(prefix + extra)
        for extra in sorted(template.default_extras)
        if canonicalize_name(prefix + extra) in template.providers
    }
    gone = [extra for extra in named if found.spelled(extra) is None]
    wanted = {declared: name for extra, name in named.items() if (declared := found.spelled(extra)) is not None}
    if gone:
        found.ask(f"upstream declares no extra {', '.join(gone)}: is its provider part of another one?", "[providers]")
    files = pages.of(list(wanted.values()))
    versions = {extra: _in_time(files[name], found) for extra, name in wanted.items() if name in files}
    return {extra: found for extra, found in versions.items() if found}


def _in_time(files: Sequence[IndexFile], found: _Findings) -> tuple[Version, ...]:
    """Those that were there at the cutoff and are for all Pythons of the release: one pin serves them all."""
    versions = {
        version
        for file in files
        if (version := _parsed(file.version)) is not None
        and not (version.is_prerelease or file.yanked)
        and file.uploaded is not None
        and file.uploaded <= found.cutoff
        and all(python.runs(file.requires_python) for python in found.pythons)
    }
    return tuple(sorted(versions, reverse=True))


def _stamp(found: _Findings) -> tuple[str, str]:
    """The file and the one line that holds the version. `version.py` wins: others read it."""
    for name in _STAMP_FILES:
        lines = [match for match in _STAMP.finditer(found.sources.get(name, "")) if match[2] == str(found.version)]
        if len(lines) == 1:
            return name, lines[0][0]
    found.ask("no line that holds the version was found: fill it in", "[stamp]")
    return "FILE", f"version = '{found.version}'"


def _render(found: _Findings, template: Manifest, providers: Mapping[str, Version], today: datetime) -> str:
    version, pythons = found.version, found.pythons
    if not pythons:
        raise ManifestError(f"{CORE} {version} says of no Python from 3.6 on that it runs there")
    left_out = [name for name in found.declared if _DEVELOPMENT.match(name)]
    extras = sorted(set(found.declared) - {*left_out} | {*providers})
    spelled = {name: found.spelled(name) or (name if name in extras else None) for name in template.default_extras}
    default = sorted(name for name in spelled.values() if name is not None)
    lost = sorted(name for name, declared in spelled.items() if declared is None)
    if lost:
        names = ", ".join(lost)
        found.ask(f"default extras that upstream has no more under these names: {names}", "default-extras =")
    if not any(_CLASSIFIER.search(line) and str(pythons[0]) in line for line in found.metadata.get("classifiers", ())):
        found.ask(f"upstream says of no Python from {_OLDEST} on that it runs there: {_OLDEST} is a guess", "pythons =")
    newest = pythons[-1]
    sections = [
        f"# Astronomer Certified of Apache Airflow {version}: {MARK}. docs/release-toml.md explains every key.",
        f'version = "{version}"\nrevision = 1\npythons = {array(str(python) for python in pythons)}',
        f"# The era: a week after the upload of the source.\ncutoff = {day(found.cutoff)}",
        f"# Files of the pinned versions that were uploaded up to here count.\nlisted = {day(today)}",
        "repairs = []",
        f"# All that upstream declares.\nextras = {array(extras)}",
        f"# As {template.release.upstream} has them.\ndefault-extras = {array(default)}",
        _source_section(found),
    ]
    if KINDS[found.kind].built:
        sections += _sdist_sections(found)
    sections += [
        "[providers]\n" + "\n".join(f'{key(name)} = "{pinned}"' for name, pinned in providers.items()),
        "# Upstream's extras that this release does not have.\n[left-out]\n"
        + "\n".join(f'{key(name)} = "{_DEVELOPMENT_WHY}"' for name in left_out),
        _certify_section(
            found,
            template,
            newest,
            [name for extra in template.target.extras if (name := found.spelled(extra)) is not None],
        ),
    ]
    return "\n\n".join(sections) + "\n"


def _source_section(found: _Findings) -> str:
    lines = [
        "[source]", f'kind = "{found.kind}"',
        f'file = "{found.source.filename}"', f'sha256 = "{found.source.sha256}"',
        f"uploaded = {found.uploaded:%Y-%m-%dT%H:%M:%SZ}",
    ]  # fmt: skip
    return "\n".join(lines)


def _sdist_sections(found: _Findings) -> Iterable[str]:
    stamp_file, stamp_line = _stamp(found)
    requires = list(found.build_requires or _LEGACY_BUILD)
    names = {canonicalize_name(Requirement(line).name) for line in requires}
    if "setuptools" in names and "wheel" not in names:
        requires.append("wheel")  # setuptools asks for it only when it is asked to build a wheel
    if not found.build_requires:
        found.ask(f"the source states no build requirements: {', '.join(requires)} is a guess", "requires =")
    first, last = found.pythons[0], found.pythons[-1]
    yield f'[upstream-wheel]\nfile = "{found.wheel.filename}"\nsha256 = "{found.wheel.sha256}"'
    yield f'[build]\npythons = ">={first},<{last.major}.{last.minor + 1}"\nrequires = {array(requires)}'
    # Between apostrophes TOML takes every sign as it stands, but no apostrophe.
    quote = '"' if "'" in stamp_line else "'"
    yield f'[stamp]\nfile = "{stamp_file}"\nline = {quote}{stamp_line}{quote}'
    for path in found.missing:
        yield f'[[restore]]\npath = "{path}"\nreason = "upstream\'s wheel has it, its source does not"'


def _certify_section(found: _Findings, template: Manifest, newest: Python, extras: Sequence[str]) -> str:
    pip = max(template.pips.values())
    lines = ["[certify]", f'python = "{newest}"', f'pip = "{pip}"', f"extras = {array(extras)}"]
    if not found.grouped:
        lines.append('command-line = "flat"')
    old = [python for python in found.pythons if python in template.pips and template.pips[python] != pip]
    if old:
        lines += ["", "[certify.pip-for]", *(f'"{python}" = "{template.pips[python]}"' for python in old)]
    return "\n".join(lines)


def day(moment: datetime) -> str:
    """The begin of a day, as TOML writes it."""
    return f"{moment:%Y-%m-%d}T00:00:00Z"


def key(name: str) -> str:
    """A key of TOML."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'


def array(items: Iterable[str]) -> str:
    """A TOML array of strings, on lines of its own when it is long."""
    words = [f'"{item}"' for item in items]
    if len(short := f"[{', '.join(words)}]") <= _WIDTH - 20:
        return short
    lines, line = [], "   "
    for word in words:
        if len(line) + len(word) + 2 > _WIDTH:
            lines.append(line)
            line = "   "
        line += f" {word},"
    return "\n".join(["[", *lines, line, "]"])
