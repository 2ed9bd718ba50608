"""What was answered, counted -> Prometheus text, for all workers together.

Each worker adds to counters of its own and writes them once a second to its own file in a folder that all of them
know; whoever is asked for the metrics adds up the files. A worker that is gone leaves its file, so no count is lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from astronomer_certified.index.store.store import Store


class Counters:
    """Of one process. Threads may add at the same time: a lost count among millions is worth no lock."""

    def __init__(self, folder: Path | None = None) -> None:
        self._file = folder / f"{os.getpid()}.json" if folder is not None else None
        self._answers: Counter[tuple[str, int]] = Counter()
        self._bytes = 0
        self.connections = 0

    def count(self, route: str, status: int, size: int) -> None:
        """One answer was sent, with so many bytes of body."""
        self._answers[route, status] += 1
        self._bytes += size

    def publish(self, *, connections: int) -> None:
        """The counts are where the other workers find them."""
        self.connections = connections
        if self._file is not None:
            # Renamed, since another worker may read it at any moment. A full disk is no reason to stop counting.
            beside = self._file.with_suffix(".new")
            with contextlib.suppress(OSError):
                beside.write_text(json.dumps(self.values()), encoding="utf-8")
                beside.replace(self._file)

    def values(self) -> dict[str, object]:
        """The counts as JSON has them, for the other workers."""
        # A copy at once: another thread may add a key while this one goes through them.
        answers = [[route, status, number] for (route, status), number in list(self._answers.items())]
        return {"answers": answers, "bytes": self._bytes, "connections": self.connections, "time": time.time()}


def text(store: Store, counters: Counters, folder: Path | None) -> bytes:
    """The exposition format of Prometheus."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(store, list(_all(counters, folder))))  # type: ignore[arg-type]
    return generate_latest(registry)


def _all(counters: Counters, folder: Path | None) -> Iterator[dict[str, object]]:
    yield counters.values()
    for path in folder.glob("*.json") if folder is not None else ():
        # Its own counts are newer than its file, and must not be added twice.
        if path.stem != str(os.getpid()):
            with contextlib.suppress(OSError, ValueError):
                yield json.loads(path.read_text(encoding="utf-8"))


class _Collector:
    def __init__(self, store: Store, workers: list[dict[str, object]]) -> None:
        self._store = store
        self._workers = workers

    def collect(self) -> Iterator[object]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        answers = CounterMetricFamily("certified_index_answers", "Answers sent.", labels=["route", "status"])
        total: Counter[tuple[str, int]] = Counter()
        for worker in self._workers:
            for route, status, number in worker["answers"]:  # type: ignore[attr-defined]
                total[route, status] += number
        for (route, status), number in sorted(total.items()):
            answers.add_metric([route, str(status)], number)
        yield answers
        sizes = [int(str(worker["bytes"])) for worker in self._workers]
        yield CounterMetricFamily("certified_index_body_bytes", "Bytes of bodies sent.", value=sum(sizes))
        open_now = [int(str(worker["connections"])) for worker in self._workers]
        yield GaugeMetricFamily("certified_index_connections", "Connections open now.", value=sum(open_now))
        yield GaugeMetricFamily("certified_index_projects", "Projects.", value=len(self._store.names()))
        room = os.statvfs(self._store.root)
        free = room.f_bavail * room.f_frsize
        yield GaugeMetricFamily("certified_index_free_bytes", "Room left for the store.", value=free)
