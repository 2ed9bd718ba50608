"""An export's folder -> the configuration with which nginx answers from it as the index does. Touches nothing.

It is a file to include in nginx's http block: one server, which chooses between HTML and JSON by the Accept header,
sends the compressed pages that lie beside the plain ones, and knows what is withheld and what is nobody else's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from astronomer_certified.effects.addresses import shown
from astronomer_certified.errors import UsageError
from astronomer_certified.index.api.fallback import patterns
from astronomer_certified.index.api.web_pages import POLICY

# nginx cannot weigh what an Accept header lists: of these expressions, the first that matches counts.
_PAGES = r"""
map $http_accept $index_page {
    default                                              index.html;
    "~*application/vnd\.pypi\.simple\.(v1|latest)\+json" index.json;
    "~*application/vnd\.pypi\.simple\.(v1|latest)\+html" index.v1html;
}
"""

_SERVER = r"""
server {
    listen LISTEN;
    root ROOT;
    charset utf-8;
    gzip_static on;
    gzip_vary on;
    port_in_redirect off;
    absolute_redirect off;
    disable_symlinks off;
    types {
        text/html html;
        text/css css;
        application/vnd.pypi.simple.v1+html v1html;
        application/vnd.pypi.simple.v1+json json;
        text/plain metadata;
    }
    default_type application/octet-stream;

    location = /health { default_type text/plain; }
    location = /simple { return 301 simple/; }
    location = /simple/ {
        add_header Cache-Control no-cache;
        add_header Vary Accept;
        try_files /simple/$index_page =404;
    }
    location ~ ^/simple/([a-z0-9]+(?:-[a-z0-9]+)*)$ { return 301 $1/; }
    location ~ ^/simple/(?<index_project>[a-z0-9]+(?:-[a-z0-9]+)*)/$ {
        add_header Cache-Control no-cache;
        add_header Vary Accept;
        try_files /simple/$index_project/$index_page @elsewhere;
    }
    # One separator at a time; who asks for a name with three of them is redirected three times. Only what a name may
    # consist of: nginx writes these, decoded, into a header, where a line break would begin another one.
    # No name is longer; of one that has no end, the runs of separators could be divided in too many ways.
    location ~ "^(?=.{1,160}$)/simple/(?<index_left>[\w.-]*?)[-._]*(?:[._]|--)[-._]*(?<index_right>[^\W_][\w.-]*)/?$" {
        return 301 /simple/$index_left-$index_right/;
    }
    location @elsewhere { ELSEWHERE }
    location ~ ^/packages/(?<index_file>[^/]+?)(?:\.metadata)?$ {
        add_header Cache-Control "public, max-age=31536000, immutable";
        add_header X-Content-Type-Options nosniff;
        gzip_static off;
        try_files $uri @gone;
    }
    location @gone {
        if (-f $document_root/gone/$index_file) { return 410; }
        return 404;
    }
    location /integrity/ {
        types { }
        default_type application/vnd.pypi.integrity.v1+json;
    }
    location = /packages/ {
        add_header Cache-Control no-cache;
        try_files /packages/index.html =404;
    }
    location = /packages { return 301 packages/; }
    location ~ ^/pypi/.+/json$ {
        types { }
        default_type application/json;
        add_header Cache-Control no-cache;
        add_header X-Content-Type-Options nosniff;
    }
    location /static/ {
        add_header Cache-Control "public, max-age=31536000, immutable";
        add_header X-Content-Type-Options nosniff;
    }
    location ~ "^/project/(?:[a-z0-9-]+/)?(?<index_last>[\w.!+-]+)$" { return 301 $index_last/; }
    location / {
        add_header Cache-Control no-cache;
HEADERS
        try_files $uri $uri/index.html =404;
    }
    location ~ ^/(state\.json|gone/) { return 404; }
}
"""

# Words of the server that stand for something else.
_PLACES = re.compile(r"\b(?:LISTEN|ROOT|ELSEWHERE|HEADERS)\b")

# nginx has no other way to write a dollar where it looks for variables.
_DOLLAR = """
geo $index_dollar {
    default "$";
}
"""

# What cannot stand in the words of a directive.
_NO_WORD = re.compile(r"""[;{}"'\\$#\n\r]""")

# Those of the pages for people, as the index itself sends them.
_HEADERS = "\n".join(f'        add_header {name} "{value}";' for name, value in POLICY)


def configuration(root: Path, *, listen: str, upstream: str | None, protected: Iterable[str]) -> str:
    """The text of the file, for the export below `root`.

    `upstream` is where names that are not here are redirected to, None for nowhere; names that one of the patterns
    `protected` covers never are. Raises UsageError for a pattern that can be no name, and for a `listen` that would be
    more than the words of that directive.
    """
    if _NO_WORD.search(listen):
        raise UsageError(f"nginx cannot listen on {listen!r}", hint="like 127.0.0.1:8081 or unix:/run/index.sock")
    elsewhere = "return 404;"
    names = ""
    if upstream is not None:
        rows = "".join(f'    "~^{_regex(pattern)}$" 1;\n' for pattern in patterns(protected))
        names = f"\nmap $index_project $index_protected {{\n    default 0;\n{rows}}}\n"
        # Whoever is redirected gets this address: a login in it is the operator's own.
        there = shown(upstream).rstrip("/")
        elsewhere = f'if ($index_protected) {{ return 404; }} return 302 "{_escaped(there)}/$index_project/";'
    places = {
        "LISTEN": listen,
        "ROOT": f'"{_escaped(str(root / "current"))}"',
        "ELSEWHERE": elsewhere,
        "HEADERS": _HEADERS,
    }
    # At once: what takes the place of one word may hold another.
    server = _PLACES.sub(lambda word: places[word[0]], _SERVER)
    dollar = _DOLLAR if "index_dollar" in server else ""
    return f"# Made by `certified index export`, and again by each export.\n{_PAGES}{dollar}{names}{server}"


def _escaped(text: str) -> str:
    """The text as it stands between double quotes, where nginx reads variables as well."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "${index_dollar}")


def _regex(pattern: str) -> str:
    """`patterns` lets nothing through that means something else to nginx."""
    return pattern.replace("*", ".*").replace("?", ".")
