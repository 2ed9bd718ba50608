"""What `make docs` adds to mkdocs: the files about this project as pages, and a look at what the site would fetch.

README.md and its like stand beside docs/, where people look for them first. They become pages; links between them and
the others lead to where each is now.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

# By file, the page that it becomes. A page README.md would be a second index.md for mkdocs.
ABOUT = {name: name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")} | {"README.md": "about.md"}
# Pages whose tables need the room beside them: what makes way there.
WIDE = {
    "architecture-document.md": ("toc",),
    "architecture.md": ("toc",),
    "benchmarks.md": ("toc",),
    "carry-matrix.md": ("navigation", "toc"),
    "releases.md": ("toc",),
    "verbs.md": ("toc",),
}
_LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
_FETCHED = re.compile(
    r"""<(?:script|img|source|iframe|video|audio)\b[^>]*\bsrc=["']?(?:https?:)?//"""
    r"""|<link\b(?=[^>]*\brel=["']?(?:stylesheet|preload|preconnect|icon))[^>]*\bhref=["']?(?:https?:)?//"""
    r"""|@import\s+["']?(?:https?:)?//|url\(["']?(?:https?:)?//""",
    re.IGNORECASE,
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files about this project are among the pages."""
    root = Path(config.config_file_path).parent
    for name, page in ABOUT.items():
        files.append(File.generated(config, page, content=(root / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The text of a page, with links that lead where the site has things."""
    uri = page.file.src_uri
    if uri in WIDE:
        page.meta.setdefault("hide", WIDE[uri])
    up = "../" * uri.count("/")
    if uri in ABOUT.values():
        moved = dict(ABOUT)
    else:
        moved = {f"{up}../{name}": f"{up}{target}" for name, target in ABOUT.items()}

    def link(match: re.Match[str]) -> str:
        path, sign, anchor = match[1].partition("#")
        inside = path.removeprefix("docs/") if uri in ABOUT.values() else path
        return moved.get(path, inside) + sign + anchor

    return _LINK.sub(link, markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """Raises PluginError when a page or style would fetch something from another host."""
    site = Path(config.site_dir)
    found = [
        f"{path.relative_to(site)}: {match[0]}"
        for path in sorted(site.rglob("*"))
        if path.suffix in (".html", ".css")
        for match in _FETCHED.finditer(path.read_text(encoding="utf-8"))
    ]
    if found:
        raise PluginError("the site would fetch from elsewhere:\n" + "\n".join(found))
