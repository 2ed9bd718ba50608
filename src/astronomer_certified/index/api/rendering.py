"""A template and what it shows -> the bytes of a page for people; and their style sheet. Reads what ships beside it.

What a template shows is escaped: metadata and reasons are other people's text. Jinja2 is imported with the first page:
a command that shows none does not wait for it.
"""

from __future__ import annotations

import functools
import hashlib
import re
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


# What acts on a terminal, or shows nothing: C0 but for blanks, DEL and C1. No HTML has a word for them.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def without_controls(text: str) -> str:
    """The text without control characters: whoever looks at a page's source in a terminal sees what it says."""
    return _CONTROL.sub("", text)


def page(template: str, **values: object) -> bytes:
    """The page; every template needs `title`, `up` (the way to the root of the index) and `static`."""
    text = environment().get_template(template).render(style=style_name(), **values)
    # Of the whole, whoever said it, and also what stood in a description as `&#27;`.
    return without_controls(text).encode("utf-8", "replace")


@functools.cache
def environment() -> Environment:
    """The templates, each compiled once."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("astronomer_certified.index.api"),
        autoescape=True,
        # A name that is misspelled in a template is an error, and no gap in a page.
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # What ships in a wheel does not change: no template is looked for again.
        auto_reload=False,
    )


@functools.cache
def style() -> bytes:
    """The style sheet."""
    return _templates().joinpath("style.css").read_bytes()


@functools.cache
def style_name() -> str:
    """The style sheet's name, which is another one for other bytes: so it may be kept for ever."""
    return f"style-{hashlib.sha256(style()).hexdigest()[:12]}.css"


@functools.cache
def digest() -> str:
    """Changes with everything that ships here: pages that were made with another one are made again."""
    files = sorted((item.name, item.read_bytes()) for item in _templates().iterdir() if item.is_file())
    return hashlib.sha256(repr(files).encode()).hexdigest()


def _templates() -> Traversable:
    return resources.files("astronomer_certified.index.api").joinpath("templates")
