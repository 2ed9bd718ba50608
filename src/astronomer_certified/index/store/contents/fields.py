"""Bytes of METADATA -> its fields, as packaging reads them, unless that would take long. Touches nothing.

packaging looks through all headers for each spelling of a name (RFC 5322 does not tell `Name` from `name`), and decodes
each that it finds: 12 kB of one field in 800 spellings are half a minute of work.
"""

from __future__ import annotations

from email import policy
from email.parser import BytesParser

from packaging.metadata import RawMetadata, parse_email

from .members import Unsound

# Spellings beyond one for each field: tools have changed theirs, but each writes one.
_OTHER_SPELLINGS = 3

# Names times headers, that is comparisons: less than a second. Metadata 2.5 has 31 fields, and there are wheels that
# require thousands of others. Headers that are not ASCII are decoded one by one: names of people and places.
_COMPARISONS = 1_000_000
_DECODED = 5_000


def parsed(metadata: bytes) -> tuple[RawMetadata, dict[str, list[str]]]:
    """What `packaging.metadata.parse_email` says of it: its fields, and what was not understood. Raises `Unsound` when
    its headers have names, or spellings of them, that no tool gives them."""
    head = BytesParser(policy=policy.compat32).parsebytes(metadata, headersonly=True)
    names = head.keys()
    spellings = set(names)
    if len(spellings) > len({name.lower() for name in spellings}) + _OTHER_SPELLINGS:
        raise Unsound("its metadata has one field in many spellings", details=sorted(map(ascii, spellings))[:5])
    if len(spellings) * len(names) > _COMPARISONS:
        raise Unsound(f"its metadata has {len(spellings)} different fields in {len(names)} lines")
    if sum(not value.isascii() for _, value in head.raw_items()) > _DECODED:
        raise Unsound("its metadata has thousands of fields that are not ASCII")
    return parse_email(metadata)
