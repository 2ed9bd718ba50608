"""What an operator may choose of a running index, and what a worker must know of it, as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from astronomer_certified.index.api.fallback import Mode, patterns

# The distributions that must come from us or not at all, whatever the fallback has under their names.
PROTECTED = ("astronomer-certified", "apache-airflow")

_CONNECTIONS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an operator may choose beyond where and what."""

    mode: Mode = Mode.REDIRECT
    public_url: str | None = None
    accel: str | None = None
    max_upload: int = 2 << 30
    """Bytes of one file."""
    connections: int = _CONNECTIONS
    """Of one process, at once; fewer where it may not open so many files."""
    access_log: Path | None = None
    trusted_proxy: str | None = None
    private: bool = False
    """Whether reading needs a login, too."""
    metrics_folder: Path | None = None
    """Where the workers of one index leave their counts for each other."""
    kept: Path | None = None
    """Where the proxy keeps what it passed on; beside the store by default. It may be thrown away."""
    upstream_quota: int = 20 << 30
    """Bytes that the proxy keeps of upstream's pages and files."""
    upstream_hosts: tuple[str, ...] = ()
    """HOST or HOST:PORT: private machines that upstream's pages may name, besides upstream's own."""
    reconciled: bool = False
    """Somebody else has looked over the store already: the supervisor does it once for its workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """An index: its store, who may upload, where unknown projects come from, and which never do.

    `fallback` is the upstream's simple API; True is pypiserver's own, False none.
    """

    store: Path
    credentials: Path | None = None
    fallback: bool | str = True
    protected: tuple[str, ...] = PROTECTED
    options: Options = field(default_factory=Options)

    @classmethod
    def of(
        cls, store: Path, credentials: Path | None, fallback: bool | str, protected: Collection[str], options: Options
    ) -> Setup:
        """The setup, its names in the form in which they are compared. Raises `UsageError` for what is no name."""
        return cls(
            store=store, credentials=credentials, fallback=fallback, protected=patterns(protected), options=options
        )

    def to_json(self) -> str:
        """The setup as text, for another process. It may hold a login to upstream: no command line may show it."""
        return json.dumps(asdict(self), default=os.fspath)

    @classmethod
    def from_json(cls, text: str) -> Setup:
        """The setup that `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        # JSON has no paths, tuples and enums: a field of `Options` of such a type needs its line here.
        options = values["options"]
        for name in ("access_log", "metrics_folder", "kept"):
            options[name] = Path(options[name]) if options[name] else None
        options["mode"] = Mode(options["mode"])
        options["upstream_hosts"] = tuple(options["upstream_hosts"])
        return cls(
            store=Path(values["store"]),
            credentials=Path(values["credentials"]) if values["credentials"] else None,
            fallback=values["fallback"],
            protected=tuple(values["protected"]),
            options=Options(**options),
        )

    def at(self, url: str) -> Setup:
        """The same index, known to its clients under that address unless the operator said another."""
        return replace(self, options=replace(self.options, public_url=self.options.public_url or url))
