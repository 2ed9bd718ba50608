"""What METADATA says of a version -> its description as a page shows it. Rendered once, by a process of its own."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass

from astronomer_certified.effects.companion import Companion

from .metadata import Said, known
from .response_cache import ResponseCache

# Characters that are rendered; of a longer one the beginning is shown as it is.
_RENDERED = 256 << 10

# Bytes of rendered descriptions that are kept.
_KEPT = 16 << 20

# Seconds until a program that renders is given up, should the kernel not have ended it; bytes of what it may answer.
_PATIENCE = 15.0
_LONGEST = 16 << 20

# Seconds that a page waits while the description of another one is rendered: then it shows the text as it is.
_TURN = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Either HTML, which runs and loads nothing, or plain text; neither when there is none."""

    html: str = ""
    text: str = ""
    cut: bool = False
    """Whether only the beginning is here."""
    waits: bool = False
    """Whether it is plain text for now, while others are rendered."""


class Descriptions:
    """The descriptions, each rendered once; the least read go first. From any thread."""

    def __init__(self) -> None:
        self._companion = Companion("astronomer_certified.index.api.markup", patience=_PATIENCE, longest=_LONGEST)
        self._turn = threading.Lock()
        self._kept = ResponseCache(_KEPT)

    def of(self, said: Said) -> Description:
        """The description. One that cannot be rendered, or not in time, is shown as it is."""
        text = known(said.raw.get("description"))
        kind = said.raw.get("description_content_type", "")
        if len(text) > _RENDERED or said.cut:
            return Description(text=text[:_RENDERED], cut=True)
        if not text or kind.startswith("text/plain"):
            return Description(text=text)
        html = self._kept.get(said.sha256)
        if html is None:
            if not self._turn.acquire(timeout=_TURN):
                return Description(text=text, waits=True)
            try:
                html = self._kept.get(said.sha256)
                if html is None:
                    html = self._rendered(text, kind)
                    self._kept.put(said.sha256, html)  # also when there is none: that was the dearest answer
            finally:
                self._turn.release()
        return Description(html=html.decode()) if html else Description(text=text)

    def close(self) -> None:
        """Nothing more is rendered."""
        self._companion.close()

    def _rendered(self, text: str, content_type: str) -> bytes:
        """`markup.html` in the other process; empty for a description that ended it."""
        answer = self._companion.ask(json.dumps([text, content_type]).encode())
        html: str | None = json.loads(answer) if answer is not None else None
        return (html or "").encode()
