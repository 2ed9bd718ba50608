"""A version's files -> what its own METADATA says. Reads the store.

Of sdists the store keeps no metadata: what is known of a version without a wheel is in its records.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from packaging.metadata import RawMetadata
from packaging.version import InvalidVersion, Version

from astronomer_certified.index.store.contents.fields import parsed
from astronomer_certified.index.store.contents.members import Unsound
from astronomer_certified.index.store.reading import regular
from astronomer_certified.index.store.records import FileRecord, ProjectRecord
from astronomer_certified.index.store.store import Store

# Bytes that are read of it: that of a certified wheel, which pins thousands, has a tenth.
_LONGEST = 1 << 20

# Bytes of the largest that is published; what is larger has been changed since.
_LARGEST = 16 << 20

# Characters of an address that can be a version.
_LONGEST_VERSION = 100

# What tools of old wrote for a field that nobody had filled in.
_NOTHING = ("", "UNKNOWN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where a project says that more of it is."""

    label: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What METADATA says, and the sha256 of it; nothing and an empty one where none is here."""

    raw: RawMetadata
    sha256: str = ""
    cut: bool = False
    """Whether it is longer, and only its beginning is here."""

    @property
    def summary(self) -> str:
        """One line; empty when it has none."""
        return known(self.raw.get("summary"))

    @property
    def licence(self) -> str:
        """Its expression, or what an older one has: a name, or whole pages."""
        return known(self.raw.get("license_expression")) or known(self.raw.get("license"))

    @property
    def author(self) -> str:
        """Who wrote it; the address, which holds the name today, where nothing else is said."""
        return known(self.raw.get("author")) or known(self.raw.get("author_email"))

    @property
    def maintainer(self) -> str:
        """Who keeps it, as of the author."""
        return known(self.raw.get("maintainer")) or known(self.raw.get("maintainer_email"))

    @property
    def links(self) -> tuple[Link, ...]:
        """Those that a browser can follow without running anything: over http and https, to a host."""
        stated = {"Homepage": self.raw.get("home_page", ""), "Download": self.raw.get("download_url", "")}
        stated |= self.raw.get("project_urls", {})
        found = {url.strip(): label for label, url in stated.items() if _leads_elsewhere(url.strip())}
        return tuple(Link(label=label or url, url=url) for url, label in found.items())


def of(store: Store, files: Sequence[FileRecord]) -> Said:
    """What the first of these files says that has sound metadata of its own; nothing when none has. They are of one
    version."""
    for file in files:
        if file.metadata_sha256 is None or file.withheld is not None:
            continue
        try:
            with regular(store.metadata(file.filename)) as stream:
                content = stream.read(_LARGEST)
        except OSError:
            continue
        # Pages do not show what was changed on disk since.
        if hashlib.sha256(content).hexdigest() == file.metadata_sha256:
            beginning = _beginning(content)
            try:
                raw = parsed(beginning)[0]
            except Unsound:  # of a file that was published before such metadata were refused
                continue
            return Said(raw=raw, sha256=file.metadata_sha256, cut=len(beginning) < len(content))
    return Said(raw={})


def _beginning(content: bytes) -> bytes:
    """All of it, or as many whole headers and lines as are read: half of one would say something else."""
    if len(content) <= _LONGEST:
        return content
    end = content.rfind(b"\n", 0, _LONGEST) + 1
    # A header goes on in the next line where that begins with a blank (RFC 5322, 2.2.3).
    while end and content[end : end + 1] in (b" ", b"\t"):
        end = content.rfind(b"\n", 0, end - 1) + 1
    return content[:end]


def version_of(record: ProjectRecord, text: str) -> str | None:
    """The version of the project that `text` is a spelling of; None for none that it ever had."""
    versions = {file.version for file in record.files}
    if text in versions:
        return text
    try:
        wanted = Version(text) if len(text) <= _LONGEST_VERSION else None
    except InvalidVersion:
        return None
    return next((version for version in versions if Version(version) == wanted), None)


def files_of(record: ProjectRecord, version: str) -> tuple[FileRecord, ...]:
    """The files of a version, wheels first: they are what says something of it."""
    found = (file for file in record.files if file.version == version)
    return tuple(sorted(found, key=lambda file: file.metadata_sha256 is None))


def known(text: str | None) -> str:
    """The text; empty for what stands for nothing."""
    return "" if text is None or text.strip() in _NOTHING else text.strip()


def _leads_elsewhere(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)
