"""The matrix -> docs/carry-matrix.md and, of bugs, docs/ledger.md: words, and what each word rests on. Pure."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence

from packaging.version import Version

from .ledger import COMPONENTS, Fix
from .matrix import Kind, Matrix, Row, counts
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

Which release carries which fix. Made from `patches/`, `advisories/` and `maintenance/`; a test compares. Make it anew:

    certified patch list --page > docs/carry-matrix.md

*fixed*: our patch is applied; *upstream*: upstream's source of that version has the fix; *not affected*: somebody
looked, and the reason stands below with its evidence; *affected*: not fixed; *unknown*: nobody looked. What each of
these rests on is under the table: the id leads there. The number in brackets is the place among the ten most important.
"""


def page(matrix: Matrix) -> str:
    """The page in Markdown. What a release of ours fixes comes first."""
    rows = sorted(matrix.rows, key=lambda row: not row.count(VulnerabilityStatus.FIXED))
    known = [row for row in rows if row.kind is Kind.VULNERABILITY]
    lines = [
        _INTRO,
        *(f"- {line}" for line in counts(matrix).splitlines()),
        "",
        *_table("vulnerability", known, matrix.versions),
        "",
        "## What it rests on",
        "",
        *(line for row in known for line in _section(row, matrix.versions)),
        "## Bugs",
        "",
        "What is behind each of these is in [the ledger](ledger.md).",
        "",
        *_table("bug", [row for row in rows if row.kind is Kind.BUG], matrix.versions, "ledger.md"),
        "",
        "## Patches without a record",
        "",
        *(line for row in rows if row.kind is Kind.PATCH for line in _without(row, matrix.versions)),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


_LEDGER = """\
# The ledger of bug fixes

What earlier releases of Astronomer Certified fixed beside vulnerabilities, and what each version says of it, by
component. [Maintenance](maintenance.md) says what is ported, and how a fix is asked for. Made from `maintenance/` and
`patches/`, and a test compares. Make it anew:

    certified patch list --ledger > docs/ledger.md

*affected* is an open bug: the code of that version has it, and no patch of ours mends it yet; *unknown*: nobody looked.
"""


def ledger(matrix: Matrix, fixes: Iterable[Fix]) -> str:
    """The page of all bugs in Markdown: how many of each status a version has, then the bugs of each component."""
    rows = {row.id: row for row in matrix.of(Kind.BUG)}
    known = list(fixes)
    lines = [_LEDGER, *_sums(list(rows.values()), matrix.versions), ""]
    for component in COMPONENTS:
        those = [fix for fix in known if fix.component == component]
        if those:
            lines += [f"## {component.capitalize()}", ""]
            lines += [*_table("bug", [rows[fix.id] for fix in those], matrix.versions), ""]
            lines += [line for fix in those for line in _section(rows[fix.id], matrix.versions, _more(fix))]
    return "\n".join(lines).rstrip("\n") + "\n"


def _sums(rows: Sequence[Row], versions: Sequence[Version]) -> Iterator[str]:
    yield f"| version | {' | '.join(word for word, _ in _CELLS.values())} |"
    yield f"|{'---|' * (len(_CELLS) + 1)}"
    for version in versions:
        said = [row.statements[version].status for row in rows]
        yield f"| {version} | {' | '.join(str(said.count(status)) for status in _CELLS)} |"


def _more(fix: Fix) -> str:
    """What the record of a bug says beside its summary."""
    shows = f" {_plain(fix.shows)}" if fix.shows else ""
    again = f" Fixed again by {', '.join(fix.fixed_again_by)}." if fix.fixed_again_by else ""
    carried = f" Earlier releases with it: {', '.join(fix.carried)}." if fix.carried else ""
    reports = f" Reported {_times(len(fix.reports))}: {', '.join(fix.reports)}." if fix.reports else ""
    return f"{shows}{again}{reports}{carried}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _table(what: str, rows: Iterable[Row], versions: Sequence[Version], page: str = "") -> Iterator[str]:
    heads = [what, "what", *map(str, versions)]
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    yield from (_table_line(row, versions, page) for row in rows)


def _table_line(row: Row, versions: Sequence[Version], page: str) -> str:
    rank = f" ({row.rank})" if row.rank else ""
    words = (_CELLS[row.statements[version].status] for version in versions)
    # A bar in a text would begin another cell.
    cells = [f"[{row.id}]({page}#{row.id.lower()}){rank}", _plain(row.summary)]
    cells += [f'<span class="{style}">{word}</span>' for word, style in words]
    return f"| {' | '.join(cells)} |"


def _section(row: Row, versions: Sequence[Version], more: str = "") -> Iterator[str]:
    yield f"### {row.id}"
    yield ""
    changes = f" Upstream: {', '.join(row.changes)}." if row.changes else ""
    yield f"{_plain(row.summary)}{changes}{more}"
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
