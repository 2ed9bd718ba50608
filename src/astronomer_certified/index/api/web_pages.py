"""Records and notes -> pages for people: the front page, a project, a search. Reads the store.

No script is needed to read or to copy; one style sheet, inline, for phones and for dark rooms. Colours are those of
_STYLE, with a contrast of at least 4.5 to 1 (WCAG AA), which a test computes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from urllib.parse import parse_qs, quote

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from astronomer_certified.errors import PublishError
from astronomer_certified.index.store.records import FileRecord, ProjectRecord, Status
from astronomer_certified.index.store.store import Store
from astronomer_certified.index.store.validation import project_name

from . import notes
from .notes import Note, Vulnerability
from .site import Address, Answer, stamp_of

CERTIFIED = canonicalize_name("astronomer-certified")
# Names on one page: a list of 20,000 helps nobody.
_SHOWN = 200

COLOURS = {
    "light": {"ink": "#1b1f24", "paper": "#ffffff", "quiet": "#57606a", "link": "#0550ae", "box": "#f3f5f7",
              "warn": "#8a2c0d", "good": "#116329"},
    "dark": {"ink": "#e6edf3", "paper": "#0d1117", "quiet": "#9aa4af", "link": "#79b8ff", "box": "#161b22",
             "warn": "#ffab8a", "good": "#7ee787"},
}  # fmt: skip

_RULES = """
*{box-sizing:border-box}
body{margin:0 auto;max-width:62rem;padding:1rem;font:1rem/1.5 system-ui,sans-serif}
body{color:var(--ink);background:var(--paper)}
a{color:var(--link)}h1{font-size:1.7rem;line-height:1.2}h2{margin-top:2rem;font-size:1.25rem}
.quiet{color:var(--quiet)}.warn{color:var(--warn)}.good{color:var(--good)}
pre{background:var(--box);padding:.8rem;border-radius:.4rem;overflow-x:auto;user-select:all}
pre.line{white-space:pre-wrap;overflow-wrap:anywhere}.n{white-space:nowrap}
code{font-family:ui-monospace,monospace;font-size:.92em}td code{overflow-wrap:anywhere}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.35rem .7rem .35rem 0;border-bottom:1px solid var(--box)}
@media(max-width:30rem){th,td{padding-right:.4rem;font-size:.9rem}}
summary{cursor:pointer;padding:.2rem 0}form{display:flex;gap:.5rem;max-width:30rem}
input,button{font:inherit;padding:.4rem .6rem;color:inherit;background:var(--box)}
input,button{border:1px solid var(--quiet);border-radius:.3rem}
::placeholder{color:var(--quiet);opacity:1}
input{flex:1;min-width:0}:focus-visible{outline:3px solid var(--link);outline-offset:2px}
"""


def _variables(theme: str) -> str:
    return ":root{" + "".join(f"--{name}:{value};" for name, value in COLOURS[theme].items()) + "}"


_STYLE = f"{_variables('light')}@media (prefers-color-scheme:dark){{{_variables('dark')}}}{_RULES}"


class WebPages:
    """The pages, as they are now. From any thread."""

    def __init__(self, store: Store, address: Address) -> None:
        self._store = store
        self._simple = f"{address.public_url or 'http://INDEX/'}simple/"

    def answer(self, path: str, query: str) -> Answer | None:
        """The answer to a GET; None when there is no such page."""
        if path in ("/", ""):
            return self._send(self.front())
        if path == "/search":
            return self._send(self.search(parse_qs(query).get("q", [""])[0]))
        if path.startswith("/project/"):
            words = path.removeprefix("/project/").split("/")
            name = project_name(words[0])
            if name is None or words[1:] not in ([], [""]) or stamp_of(self._store.record_file(name)) == 0:
                return None
            if words != [name, ""]:
                up = "../" if len(words) > 1 else ""
                return Answer(status=301, headers=(("Location", f"{up}{name}/"),), route="people")
            record = self._store.project(name)
            return self._send(self.project(record)) if record is not None else None
        return None

    def _send(self, body: bytes) -> Answer:
        headers = (
            ("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-cache"),
            # Nothing on these pages comes from elsewhere, and a description cannot make it so.
            ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"),
            ("X-Content-Type-Options", "nosniff"),
        )  # fmt: skip
        return Answer(status=200, headers=headers, body=body, route="people")

    # --- pages

    def front(self, *, static: bool = False) -> bytes:
        """What this index is for, and everything on it; all of it when `static`: a file cannot search."""
        names = self._store.names()
        try:
            certified = self._store.project(CERTIFIED)
        except PublishError:
            certified = None  # one damaged record is no reason to have no front page
        shown = names if static else names[:_SHOWN]
        parts = [*([] if static else [_search_form("search", "")]), "<h1>Python packages</h1>"]
        if certified is not None and certified.served:
            parts += [
                f'<h2><a href="project/{CERTIFIED}/">Astronomer Certified</a></h2>',
                "<p>Apache Airflow with security fixes and every dependency pinned, installed by one command:</p>",
                self._install_newest(certified),
                _releases(certified, notes.read(self._store), "project/astronomer-certified/"),
            ]
        else:
            parts += [self._install("PROJECT")]
        parts += [f"<h2>All {len(names):,} projects</h2>", _names(shown, "project/")]
        if len(names) > len(shown):
            parts.append(f'<p class="quiet">{len(names) - len(shown):,} more: search for them.</p>')
        return _page("Python packages", parts)

    def search(self, words: str) -> bytes:
        """The projects whose names hold all the words."""
        wanted = [canonicalize_name(word) for word in words.split()[:10]]
        found = [name for name in self._store.names() if wanted and all(word in name for word in wanted)]
        found.sort(key=lambda name: (name not in wanted, len(name)))
        text = f"{len(found):,} projects" if wanted else "Type a part of a name."
        parts = [_search_form("search", words), f"<h1>{text}</h1>", _names(found[:_SHOWN], "project/")]
        return _page(f"Search: {words}" if words else "Search", [_home("."), *parts])

    def project(self, record: ProjectRecord) -> bytes:
        """Everything about one project: how to install it, its releases, its files."""
        known = notes.read(self._store) if record.name == CERTIFIED else {}
        parts = [_home("../.."), f"<h1>{escape(record.name)}</h1>", _status(record)]
        if record.served:
            parts += [self._install_newest(record)]
        if known:
            there = [known[version] for version in _versions(record) if version in known]
            parts += ["<h2>Releases</h2>", _releases(record, known, ""), _cves(there)]
            parts += [_release(note) for note in there]
        parts += ["<h2>Files</h2>", _files(record, heading=not known)]
        return _page(record.name, parts)

    def _install_newest(self, record: ProjectRecord) -> str:
        newest = _newest(record)
        if newest is None:
            return '<p class="warn">There is no final release that is not yanked.</p>'
        known = notes.read(self._store) if record.name == CERTIFIED else {}
        return self._install(_install_line(newest, known))

    def _install(self, requirement: str) -> str:
        return (
            f"<pre class='line'><code>pip install --index-url {escape(self._simple)} {escape(requirement)}</code></pre>"
        )


# --- pieces


def _page(title: str, parts: Iterable[str]) -> bytes:
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n'
        f"</head>\n<body>\n<main>\n{chr(10).join(parts)}\n</main>\n</body>\n</html>\n"
    ).encode()


def _home(up: str) -> str:
    return f'<nav><a href="{up}/">All packages</a></nav>'


def _search_form(action: str, words: str) -> str:
    return (
        f'<form action="{action}" role="search"><input type="search" name="q" value="{escape(words)}" '
        'aria-label="Search for a project" placeholder="Search for a project"><button>Search</button></form>'
    )


def _names(names: Sequence[NormalizedName], prefix: str) -> str:
    return "<ul>" + "".join(f'<li><a href="{prefix}{name}/">{name}</a></li>' for name in names) + "</ul>"


def _newest(record: ProjectRecord) -> FileRecord | None:
    """What may be recommended: of the newest final version, and not yanked."""
    final = (file for file in reversed(record.served) if not Version(file.version).is_prerelease)
    return next((file for file in final if file.yanked is None), None)


def _install_line(newest: FileRecord, known: Mapping[str, Note]) -> str:
    """What to type for a file: the certified wheel's project says with which extras it was tried."""
    if (note := known.get(newest.version)) is not None and note.requirement:
        return f"'{note.requirement}'"
    return f"{newest.filename.partition('-')[0].replace('_', '-')}=={newest.version}"


def _status(record: ProjectRecord) -> str:
    if record.status is Status.ACTIVE:
        return ""
    return f'<p class="warn"><strong>{record.status.value}</strong> {escape(record.reason or "")}</p>'


def _versions(record: ProjectRecord) -> list[str]:
    return list(dict.fromkeys(file.version for file in reversed(record.files)))


def _releases(record: ProjectRecord, known: dict[str, Note], prefix: str) -> str:
    rows = []
    for version in _versions(record)[:50]:
        files = [file for file in record.files if file.version == version]
        note = known.get(version)
        name = f'<a class="n" href="{prefix}#v{escape(version)}">{escape(note.tag if note else version)}</a>'
        yanked = next((file.yanked for file in files if file.yanked is not None), None)
        if yanked is not None:  # under its name, which is in sight on every screen
            name += f"<br>{_yanked(yanked)}"
        cves = sorted({cve for fix in note.fixes for cve in fix.cves}) if note else []
        pythons = ", ".join(note.pythons) if note else ""
        fixes = ", ".join(map(_whole, cves))
        if note and (balance := _balance(note)):
            fixes = _folded(balance, fixes)
        rows.append((name, _whole(files[0].uploaded[:10]), escape(pythons), fixes))
    return _table(("Release", "Published", "Python", "Fixes"), rows)


def _yanked(reason: str) -> str:
    return f'<span class="warn">yanked: {escape(reason or "no reason given")}</span>'


# The words of the statuses that a reader must not overlook; `quiet` are the others.
_FIXED, _AFFECTED, _UNKNOWN = "fixed", "affected", "unknown"
_COLOURED = {_FIXED: "good", _AFFECTED: "warn", _UNKNOWN: "warn"}
_SHOWN_AS = {_AFFECTED: "not fixed"}


def _cves(shown: Sequence[Note]) -> str:
    """Which release fixes what, and what none does: known vulnerabilities that concern a release which is here."""
    summaries = {item.id: item.summary for note in shown for item in note.vulnerabilities}
    said = {(note.tag, item.id): item for note in shown for item in note.vulnerabilities}
    rows = []
    for known, summary in summaries.items():
        found = [said.get((note.tag, known)) for note in shown]
        if any(item is None or item.state in _COLOURED for item in found):
            title = f'{_whole(known)}<br><span class="quiet">{escape(summary)}</span>'
            rows.append((title, *map(_state, found)))
    if not rows:
        return ""
    legend = (
        "<p>Fixed: by a patch of ours, with a proof. In upstream: this version of Airflow has the fix itself."
        " Not affected: somebody looked, and the record says what shows it."
        " Not fixed: know before you rely on it. Unknown: nobody looked, so it may be affected.</p>"
    )
    return f"<h2>Vulnerabilities</h2>{legend}" + _table(("", *(note.tag for note in shown)), rows)


def _state(item: Vulnerability | None) -> str:
    """What a release says of one vulnerability; its reason shows where a pointer rests."""
    state, reason = (item.state, item.reason) if item is not None else (_UNKNOWN, "")
    title = f' title="{escape(reason)}"' if reason else ""
    return f'<span class="{_COLOURED.get(state, "quiet")}"{title}>{escape(_SHOWN_AS.get(state, state))}</span>'


def _release(note: Note) -> str:
    fixes = [
        (escape(fix.title), ", ".join(map(_whole, fix.cves)), escape(fix.upstream), f"<code>{escape(fix.proof)}</code>")
        for fix in note.fixes
    ]
    providers = [(escape(name), escape(version)) for name, version in sorted(note.providers.items())]
    parts = [
        f'<h2 id="v{escape(note.version)}">{escape(note.tag)}</h2>',
        f"<p>{_summary(note)}</p>",
        _table(("What it fixes", "CVE", "In upstream since", "Proof"), fixes) if fixes else "",
    ]
    if providers:
        parts.append(_folded(f"{len(providers)} providers", _table(("Provider", "Pinned to"), providers)))
    parts += [
        _folded(f"Constraints for Python {escape(python)}", f"<pre><code>{escape(text)}</code></pre>")
        for python, text in note.constraints.items()
    ]
    if note.certificate:
        parts.append(_folded("Certificate", f"<pre><code>{escape(note.certificate)}</code></pre>"))
    else:
        parts.append('<p class="quiet">No certificate of this release is here.</p>')
    return "\n".join(part for part in parts if part)


def _summary(note: Note) -> str:
    exact = f"<code>apache-airflow=={escape(note.patched)}</code>"
    pythons = escape(", ".join(note.pythons))
    text = f"Apache Airflow {escape(note.upstream)} as {exact}, for Python {pythons}; dependencies as of {note.cutoff}."
    balance = _balance(note)
    return f"{text} Its patches fix {balance}." if balance else text


def _balance(note: Note) -> str:
    """How many of the known vulnerabilities that concern a release it fixes; empty where none is known."""
    states = [item.state for item in note.vulnerabilities]
    fixed, affected, unknown = (states.count(word) for word in (_FIXED, _AFFECTED, _UNKNOWN))
    if not fixed + affected + unknown:
        return ""
    balance = f"{fixed} of {fixed + affected} known vulnerabilities"
    return f"{balance}, and {unknown} nobody looked for" if unknown else balance


def _files(record: ProjectRecord, *, heading: bool) -> str:
    rows = []
    for file in reversed(record.files):
        if file.withheld is not None or record.status is Status.QUARANTINED:
            reason = escape(file.withheld or record.reason or "")
            name, state = escape(file.filename), f'<br><span class="warn">withheld: {reason}</span>'
        else:
            name = f'<a href="../../packages/{quote(file.filename)}">{escape(file.filename)}</a>'
            state = f"<br>{_yanked(file.yanked)}" if file.yanked is not None else ""
        anchor = f' id="v{escape(file.version)}"' if heading else ""
        details = f"<span{anchor}>{name}</span>{state}<br><code class='quiet'>sha256:{file.sha256}</code>"
        rows.append((details, f"{file.size:,}", _whole(file.uploaded[:10]), escape(file.requires_python or "")))
    return _table(("File", "Bytes", "Published", "Python"), rows)


def _whole(text: str) -> str:
    """Not broken at its hyphens."""
    return f'<span class="n">{escape(text)}</span>'


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>{content}</details>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML already; headings are not. It scrolls by itself where it does not fit."""
    top = "".join(f'<th scope="col">{_whole(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide" tabindex="0"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
