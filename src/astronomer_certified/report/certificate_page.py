"""A certificate -> what a terminal shows of it: each thing that was tried, how long it took, what was seen. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from astronomer_certified.certify.certificate import Certificate
from astronomer_certified.certify.checks import CheckResult

_WIDTH = 110
_NAME = 46
_SECONDS = 7
_SEEN = _WIDTH - _NAME - _SECONDS - 4


def page(certificate: Certificate, *, current: bool) -> str:
    """The text of a certificate, for a terminal of 110 columns; whether it is `current` stands in the first line."""
    state = "" if current else " (STALE: what went into it has changed)"
    lines = [f"{certificate.release}{state}", *_wheels(certificate)]
    for install in certificate.installs:
        lines += ["", f"{install.requirement}, Python {install.python}, pip {install.pip}", *_checks(install.checks)]
    for level in certificate.levels:
        title = f"level {level.level}: {level.requirement}, Python {level.python}, uv ({level.install_seconds} s)"
        lines += ["", title, *_checks(level.checks)]
        if level.differences:
            lines += ["", "  what upstream does otherwise there"]
        for item in level.differences:
            text = f"{item.check}, {item.part}: upstream {item.upstream!r}, here {item.certified!r}: {item.patch}"
            lines += _wrapped(text, "    ")
    if certificate.proofs is not None:
        results = certificate.proofs.results
        lines += ["", f"{len(results)} proofs fail on upstream and pass here, Python {certificate.proofs.python}"]
    if certificate.not_done:
        lines += ["", f"NOT DONE ({len(certificate.not_done)})"]
        lines += [
            line for item in certificate.not_done for line in _wrapped(f"{item.what}: {item.why}; {item.how}", "  ")
        ]
    return "\n".join(lines) + "\n"


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
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")
