"""The matrix -> the text of docs/carry-matrix.md: a table of words, and under it what each word rests on. Pure."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from packaging.version import Version

from .matrix import Matrix, Row, counts
from .status import Statement, VulnerabilityStatus

# How a status is said in a cell, and after which class the style sheet of the site colours it.
_CELLS = {
    VulnerabilityStatus.FIXED: ("fixed", "status-fixed"),
    VulnerabilityStatus.IN_UPSTREAM: ("upstream", "status-upstream"),
    VulnerabilityStatus.NOT_AFFECTED: ("not affected", "status-not-affected"),
    VulnerabilityStatus.AFFECTED: ("affected", "status-affected"),
    VulnerabilityStatus.UNKNOWN: ("unknown", "status-unknown"),
}

_INTRO = """\
# The carry matrix

Which release carries which fix. Made from `patches/` and `advisories/`, and a test compares. Make it anew:

    certified patch list --page > docs/carry-matrix.md

*fixed*: our patch is applied; *upstream*: upstream's source of that version has the fix; *not affected*: somebody
looked, and the reason stands below with its evidence; *affected*: not fixed; *unknown*: nobody looked. What each of
these rests on is under the table: the id leads there. The number in brackets is the place among the ten most important.
"""


def page(matrix: Matrix) -> str:
    """The page in Markdown. What a release of ours fixes comes first."""
    rows = sorted(matrix.rows, key=lambda row: not row.count(VulnerabilityStatus.FIXED))
    known = [row for row in rows if row.id]
    heads = ["vulnerability", "what", *map(str, matrix.versions)]
    lines = [
        _INTRO,
        *(f"- {line}" for line in counts(matrix).splitlines()),
        "",
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *(_table_line(row, matrix.versions) for row in known),
        "",
        "## What it rests on",
        "",
        *(line for row in known for line in _section(row, matrix.versions)),
        "## Patches without a vulnerability",
        "",
        *(line for row in rows if not row.id for line in _without(row, matrix.versions)),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _table_line(row: Row, versions: Sequence[Version]) -> str:
    rank = f" ({row.rank})" if row.rank else ""
    words = (_CELLS[row.statements[version].status] for version in versions)
    # A bar in a text would begin another cell.
    cells = [f"[{row.id}](#{row.id.lower()}){rank}", _plain(row.summary)]
    cells += [f'<span class="{style}">{word}</span>' for word, style in words]
    return f"| {' | '.join(cells)} |"


def _section(row: Row, versions: Sequence[Version]) -> Iterator[str]:
    yield f"### {row.id}"
    yield ""
    changes = f" Upstream: {', '.join(row.changes)}." if row.changes else ""
    yield f"{_plain(row.summary)}{changes}"
    yield ""
    for status in VulnerabilityStatus:
        for statement, those in _together(row, versions, status):
            yield f"- {_said(statement)} in {', '.join(map(str, those))}{_because(statement)}"
    yield ""


def _together(
    row: Row, versions: Sequence[Version], status: VulnerabilityStatus
) -> list[tuple[Statement, list[Version]]]:
    """Each statement of a status, with the versions that say the same."""
    found: list[tuple[Statement, list[Version]]] = []
    for version in versions:
        statement = row.statements[version]
        if statement.status is not status:
            continue
        same = next((those for known, those in found if known == statement), None)
        if same is None:
            found.append((statement, [version]))
        else:
            same.append(version)
    return found


def _said(statement: Statement) -> str:
    word, style = _CELLS[statement.status]
    return f'<span class="{style}">{word}</span>'


def _because(statement: Statement) -> str:
    """The reason, and what shows it: the patches and proofs of a fix, the lines of a source."""
    shown = ", ".join(f"`{item}`" for item in statement.evidence)
    if statement.status is VulnerabilityStatus.FIXED:
        patches = ", ".join(f"`{slug.strip()}`" for slug in statement.reason.split(","))
        return f" by {patches}, proven by {shown}"
    reason = f": {_plain(statement.reason)}" if statement.reason else ""
    return f"{reason}{f' Evidence: {shown}.' if shown else ''}"


def _without(row: Row, versions: Sequence[Version]) -> Iterator[str]:
    carried = [str(version) for version in versions if row.statements[version].status is VulnerabilityStatus.FIXED]
    yield f"- {_plain(row.summary)}: `{row.patches[0]}` in {', '.join(carried)}"


def _plain(text: str) -> str:
    """A text in which nothing is markup, and nothing ends a cell."""
    return html.escape(text, quote=False).replace("|", "/")
