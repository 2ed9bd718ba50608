"""Where `certified serve` answers when nobody says otherwise: one place for what is served and what is told."""

from __future__ import annotations

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080
DEFAULT_SIMPLE_URL = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}/simple/"
