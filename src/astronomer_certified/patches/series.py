"""patches/NAME/series -> its patches. The series is quilt's format, each patch has a DEP-3 header. Only reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName

from astronomer_certified.artifacts import Distribution
from astronomer_certified.errors import SeriesError

from . import diffs
from .diffs import FileDiff, MalformedDiff

# The folder in a patch folder that is there while its series is replaced, and after that was killed.
BACKUP = ".before-export"

_REQUIRED = ("Description", "Author", "Origin", "Last-Update")
# With what a sentence may begin in lower case.
_NAMES = ("airflow_", "airflow.")
# The id of a vulnerability, as in any text: a CVE id, or one of ours where nobody has given it another name.
CVE = re.compile(r"\bCVE-\d{4}-\d{4,}|\bAC-\d{4}-\d{2,}\b")
# Of several values in one field, which may be folded.
_SEPARATOR = re.compile(r"[,\s]+")
# How every patch begins that `git format-patch` writes; the date is a fixed one.
_MAIL = re.compile(r"From [0-9a-f]{40} Mon Sep 17 00:00:00 2001\n")
_FIELD = re.compile(r"([!-9;-~]+):(.*)")
_NUMBER = re.compile(r"^\d+-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One parsed patch file: its DEP-3 fields and what it changes."""

    name: str
    fields: Mapping[str, str]
    files: tuple[FileDiff, ...]

    @property
    def subject(self) -> str:
        """The first line of the description (DEP-3)."""
        return self.fields["Description"].splitlines()[0].strip()

    @property
    def slug(self) -> str:
        """What the patch is called whatever the version: its file name without number and ending."""
        return slug_of(self.name)

    @property
    def notice(self) -> str:
        """What it tells operators, as a sentence; empty where there is nothing to tell."""
        notice = self.fields.get("Notice", "").replace("\n ", " ").strip()
        return notice if notice.startswith(_NAMES) else notice[:1].upper() + notice[1:]

    @property
    def cves(self) -> tuple[str, ...]:
        """The vulnerabilities it fixes, by CVE id or ours, in the header's order."""
        return tuple(CVE.findall(self.fields.get("CVE", "")))

    @property
    def proofs(self) -> tuple[str, ...]:
        """The files of patches/proofs/ that prove it; empty where the header says why there is none."""
        names = self.fields.get("Proof", "").strip()
        return () if names.startswith("none:") else tuple(_SEPARATOR.split(names))

    @property
    def depends(self) -> tuple[str, ...]:
        """The patches before it without which it does not apply, by slug or name."""
        return tuple(filter(None, _SEPARATOR.split(self.fields.get("Depends", ""))))

    @property
    def touched(self) -> frozenset[str]:
        """Every path it changes, makes or removes."""
        return frozenset(path for file in self.files for path in (file.old, file.new) if path is not None)


def slug_of(name: str) -> str:
    """A patch's file name without number and ending."""
    return _NUMBER.sub("", name.removesuffix(".patch"))


def names(folder: Path) -> tuple[str, ...]:
    """The patch names of `folder`/series, in order; quilt's comments and blank lines left out. Empty without a series.

    Raises `SeriesError` for an entry without a file, a patch outside the series, an entry that comes twice, an option
    that would loosen the application, and for a series that is half replaced.
    """
    path = folder / "series"
    # Before the series is read, which may be half the old one and half the new one.
    if (folder / BACKUP).is_dir():
        raise SeriesError(
            f"{path}: an export is at work on it, or was killed: {BACKUP} is there",
            hint="run it again; after a kill, certified patch checkout or export puts the series back",
        )
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    except UnicodeDecodeError as err:
        raise SeriesError(f"{path}: not UTF-8: {err.reason} at byte {err.start}") from err
    listed: list[str] = []
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        name = listed_name(line)
        if name is None:
            continue
        # quilt takes what stands behind ` #` for a comment.
        options = line.split(" #")[0].split()[1:]
        if options not in ([], ["-p1"]):
            problems.append(f"line {number}: options {' '.join(options)!r}: only -p1 is known")
        if name in listed:
            problems.append(f"line {number}: {name} is listed twice")
        # What stands in another folder would be part of no digest, lock or backup of this one.
        elif "/" in name or not (folder / name).is_file():
            problems.append(f"line {number}: {name} is listed, but there is no such file")
        listed.append(name)
    outside = sorted(file.name for file in folder.glob("*.patch") if file.name not in listed)
    problems += [f"{name} is not in the series" for name in outside]
    if problems:
        raise SeriesError(f"{path}: the series does not match its folder", details=problems, hint=f"edit {path}")
    return tuple(listed)


def listed_name(line: str) -> str | None:
    """The patch that a line of a series names; None for a comment and a blank line."""
    words = line.split(" #")[0].split()
    return words[0] if words and not words[0].startswith("#") else None


def read(folder: Path) -> tuple[Patch, ...]:
    """The patches of a folder in the order of its series. Raises `SeriesError`."""
    return tuple(parse(folder / name, (folder / name).read_bytes()) for name in names(folder))


class Carried:
    """The patches of several distributions, by name; each series is read when it is first asked for."""

    def __init__(self, distributions: Iterable[Distribution]) -> None:
        self._folders = {item.name: item.folder for item in distributions}
        self._read: dict[NormalizedName, tuple[Patch, ...]] = {}

    def of(self, name: NormalizedName) -> tuple[Patch, ...]:
        """The patches of a distribution in the order of its series. Raises `SeriesError`."""
        if name not in self._read:
            self._read[name] = read(self._folders[name])
        return self._read[name]

    def every(self) -> dict[NormalizedName, tuple[Patch, ...]]:
        """The patches of each distribution. Raises `SeriesError`."""
        return {name: self.of(name) for name in self._folders}


def parse(path: Path, content: bytes) -> Patch:
    """The patch that stands, or is to stand, in a file. Raises `SeriesError`."""
    try:
        header, files = diffs.parse(content)
    except MalformedDiff as err:
        raise SeriesError(f"{path}: not a patch", details=[str(err)]) from err
    if not files:
        raise SeriesError(f"{path}: changes nothing", hint="take it out of the series, or export it again")
    stated = _fields(header.decode("utf-8", "replace"))
    fields = dict(stated)
    missing = [name for name in _REQUIRED if not fields.get(name, "").strip()]
    if not (fields.get("Bug", "").strip() or fields.get("Applied-Upstream", "").strip()):
        missing.append("Bug or Applied-Upstream")
    if problem := proof_problem(fields.get("Proof", "").strip()):
        missing.append(problem)
    if "CVE" in fields and not CVE.search(fields["CVE"]):
        missing.append(f"a CVE id in {fields['CVE']!r}")
    missing += [
        # In a dict the last one would win, and the CVE of the first be lost.
        f"one {name} field for all its values (it comes twice)"
        for name in fields
        if [other for other, _ in stated].count(name) > 1
    ]
    if missing:
        raise SeriesError(
            f"{path}: incomplete DEP-3 header",
            details=[f"missing: {name}" for name in missing],
            hint="docs/patches.md shows a complete header",
        )
    return Patch(name=path.name, fields=fields, files=files)


def proof_problem(proof: str) -> str | None:
    """What a Proof field lacks; None when it names files, or says why there are none."""
    if proof in ("none", "none:"):
        return "a reason after 'Proof: none:'"
    if not proof.startswith("none: ") and not all(name.endswith(".py") for name in _SEPARATOR.split(proof)):
        return "Proof (files of patches/proofs/, or 'none: REASON')"
    return None


def _mail_fields(text: str) -> list[tuple[str, str]]:
    """The fields of a patch as `git format-patch` writes it: those of the mail under the names that DEP-3 has for
    them, and those that stand at the end of its text."""
    # Here: only a patch as it comes from git needs it, and importing it takes time.
    import email
    import email.policy
    import email.utils

    # The line `From …` belongs to the mailbox, not to the mail.
    mail = email.message_from_string(text.partition("\n")[2], policy=email.policy.default)
    paragraphs = [part for part in re.split(r"\n[ \t]*\n", str(mail.get_payload()).strip("\n")) if part.strip()]
    stated = _fields(paragraphs[-1]) if paragraphs and _FIELD.match(paragraphs[-1]) else []
    if stated:
        paragraphs.pop()
    subject = re.sub(r"^\[PATCH[^\]]*\]\s*", "", " ".join(str(mail["Subject"] or "").split()))
    # DEP-3 writes an empty line as a lone dot.
    body = [f" {line}" if line.strip() else " ." for line in "\n\n".join(paragraphs).split("\n")] if paragraphs else []
    fields = [("Description", "\n".join([subject, *body])), ("Author", str(mail["From"] or ""))]
    if mail["Date"]:
        fields.append(("Last-Update", email.utils.parsedate_to_datetime(str(mail["Date"])).date().isoformat()))
    return fields + stated


def _fields(header: str) -> list[tuple[str, str]]:
    """The DEP-3 fields: RFC 822 names and folded values, up to the `---` line."""
    text = re.split(r"^---\s*$", header, maxsplit=1, flags=re.MULTILINE)[0]
    if _MAIL.match(text):
        return _mail_fields(text)
    fields: list[tuple[str, str]] = []
    # Not `email`: reading its modules takes longer than reading a series.
    for line in text.lstrip("\n").split("\n"):
        line = line.rstrip("\r")
        named = _FIELD.fullmatch(line)
        if line[:1] in (" ", "\t") and line.strip() and fields:
            fields[-1] = (fields[-1][0], f"{fields[-1][1]}\n{line}")
        elif named is not None:
            fields.append((named[1], named[2].strip()))
        else:
            break  # an empty line ends the header, as does what is no field
    return fields
