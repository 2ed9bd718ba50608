"""A certificate -> what a terminal shows of it: each thing that was tried, how long it took, what was seen. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from astronomer_certified.artifacts import NotDone
from astronomer_certified.certify.certificate import Certificate, Install, LevelReached
from astronomer_certified.certify.checks import CheckResult
from astronomer_certified.formats.json_records import parsed

from .current import Found

# The wheels are other ones, or made of other files, or the certificate is none of this release.
WHY_STALE = "what went into it has changed"
_WIDTH = 110
_NAME = 46
_SECONDS = 7
_SEEN = _WIDTH - _NAME - _SECONDS - 4


def page(found: Found) -> str:
    """The text of a certificate, for a terminal of 110 columns; whether it is current stands in the first line."""
    certificate = found.certificate
    state = "" if found.current else f" (STALE: {WHY_STALE})"
    lines = [f"{certificate.release}{state}"]
    if found.instead:
        lines.append("  the certificate that the project keeps: that of the last run here is stale, or says less")
    lines += _wheels(certificate)
    lines += [line for install in certificate.installs for line in _install(install)]
    lines += [line for level in certificate.levels for line in _level(level)]
    if certificate.proofs is not None:
        results = certificate.proofs.results
        lines += ["", f"{len(results)} proofs fail on upstream and pass here, Python {certificate.proofs.python}"]
    return "\n".join([*lines, *_untried(found.untried), *_not_done(certificate.not_done)]) + "\n"


def tried(records: Sequence[Mapping[str, Any]], not_done: Sequence[NotDone]) -> str:
    """The same of some records of installs and levels, as their steps made them."""
    lines: list[str] = []
    for record in filter(None, records):
        lines += _level(parsed(LevelReached, record)) if "level" in record else _install(parsed(Install, record))
    return "\n".join([*lines, *_not_done(not_done)]).lstrip("\n") + "\n"


def _install(install: Install) -> Iterator[str]:
    yield from ("", f"{install.requirement}, Python {install.python}, pip {install.pip}", *_checks(install.checks))


def _level(level: LevelReached) -> Iterator[str]:
    title = f"level {level.level}: {level.requirement}, Python {level.python}, uv ({level.install_seconds} s)"
    yield from ("", title, *_checks(level.checks))
    if level.differences:
        yield from ("", "  what upstream does otherwise there")
    alike: dict[tuple[str, str, str, str], list[str]] = {}
    for item in level.differences:
        alike.setdefault((item.check, item.upstream, item.certified, item.patch), []).append(item.part)
    for (check, upstream, certified, patch), parts in alike.items():
        text = f"{check}: upstream {upstream!r}, here {certified!r} of {', '.join(parts)}: {patch}"
        yield from _wrapped(text, "    ")


def _not_done(items: Sequence[NotDone]) -> Iterator[str]:
    if items:
        yield from ("", f"NOT DONE ({len(items)})")
    for item in items:
        yield from _wrapped(f"{item.what}: {item.why}; {item.how}", "  ")


def _untried(items: Sequence[str]) -> Iterator[str]:
    if items:
        yield from (
            "",
            f"NOT TRIED ({len(items)}), though a release that is certified has it: certified certify VERSION",
        )
    for item in items:
        yield from _wrapped(item, "  ")


def _wheels(certificate: Certificate) -> Iterator[str]:
    wheels = [(wheel.sha256, wheel.file) for wheel in certificate.patched_wheels]
    for sha256, file in (*wheels, (certificate.certified_wheel.sha256, certificate.certified_wheel.file)):
        yield f"  {sha256}  {file}"


def _checks(checks: Iterable[CheckResult]) -> Iterator[str]:
    for check in checks:
        first, *rest = textwrap.wrap(check.seen, _SEEN) or [""]
        yield f"  {check.name:{_NAME}}{check.seconds:{_SECONDS}.1f}  {first}".rstrip()
        yield from (" " * (_NAME + _SECONDS + 4) + line for line in rest)


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False)
