"""Setup -> what an index is made of: its store, who may what, and everything that answers. Opens the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from astronomer_certified.index.api.access import Log
from astronomer_certified.index.api.fallback import Fallback, Mode
from astronomer_certified.index.api.metrics import Counters
from astronomer_certified.index.api.older_clients import OlderClients
from astronomer_certified.index.api.passthrough import Passthrough
from astronomer_certified.index.api.proxy import Proxy
from astronomer_certified.index.api.site import Address, Site
from astronomer_certified.index.api.upstream_cache import UpstreamCache
from astronomer_certified.index.api.web_pages import WebPages
from astronomer_certified.index.auth.logins import Logins
from astronomer_certified.index.store.store import Store

from .options import Setup


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the application is made of."""

    setup: Setup
    store: Store
    site: Site
    logins: Logins
    pages: WebPages
    older: OlderClients
    upstream: Passthrough | None
    counters: Counters
    log: Log

    @classmethod
    def of(cls, setup: Setup) -> Self:
        """All of it. Raises `PublishError` when the store, or its logins, cannot be had."""
        options = setup.options
        store = Store.open(setup.store, reading=True)
        url = _fallback_url(setup.fallback)
        mode = options.mode if url else Mode.NONE
        fallback = Fallback(mode=mode, url=url, protected=setup.protected)
        address = Address(public_url=options.public_url, accel=options.accel)
        return cls(
            setup=setup,
            store=store,
            site=Site(store, fallback, address),
            logins=Logins(setup.credentials),
            pages=WebPages(store, address),
            older=OlderClients(store, address),
            upstream=Passthrough(store, fallback, _proxy(setup, url)) if mode is Mode.PROXY and url else None,
            counters=Counters(options.metrics_folder),
            log=Log.to(options.access_log),
        )


def _proxy(setup: Setup, url: str) -> Proxy:
    options = setup.options
    folder = options.kept or setup.store.with_name("upstream")
    return Proxy(url, UpstreamCache(folder, options.upstream_quota), options.upstream_hosts)


def _fallback_url(stated: bool | str) -> str | None:
    if isinstance(stated, str):
        return stated.rstrip("/") + "/"
    if not stated:
        return None
    from .engine import FALLBACK  # here: it takes a third of a second to import

    return FALLBACK
