"""What an operator may choose of a running index beyond where it is and what it serves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from astronomer_certified.index.api.fallback import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an operator may choose beyond where and what."""

    mode: Mode = Mode.REDIRECT
    public_url: str | None = None
    accel: str | None = None
    max_upload: int = 2 << 30
    connections: int = 4000
    access_log: Path | None = None
    trusted_proxy: str | None = None
    metrics_folder: Path | None = None
    """Where the workers of one index leave their counts for each other."""
    kept: Path | None = None
    """Where the proxy keeps what it passed on; beside the store by default. It may be thrown away."""
    reconciled: bool = False
    """Somebody else has looked over the store already: the supervisor does it once for its workers."""
