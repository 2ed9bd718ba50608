"""Other machines, as workers of a dask.distributed scheduler: a program of ours is sent there and says something.

A worker needs Python, uv and the network; the program comes with its files and the hashed pins of what it imports. A
worker that dies in the middle is another's work: the scheduler sends the same parcel to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from astronomer_certified.errors import EnvironmentMissing

from . import on_a_worker

_PATIENCE = 15
# How often a parcel is sent again that a worker cannot run: the next may have what it lacks. How many workers may die
# of one, the scheduler decides.
_AGAIN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A program: its files by path, the module that is run, what it reads, and the seconds that it may take.

    The files below `tool/` are on its Python path; `requirements` is a file of hashed pins of what else it imports.
    """

    files: Mapping[str, bytes]
    requirements: str
    module: str
    question: str
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a program said on which machine, its exit status, and the lines that it complained in."""

    machine: str
    status: int
    said: str
    complained: tuple[str, ...]


class _Call:
    """On being unpickled it becomes what the function gives for the values, which is then called for the first time."""

    def __init__(self, function: Callable[..., Any], values: tuple[Any, ...]) -> None:
        self._function = function
        self._values = values

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._function, self._values


class Cluster:
    """The workers of a scheduler. For several threads at once."""

    def __init__(self, address: str) -> None:
        """Raises `EnvironmentMissing` when nobody answers there, or when dask.distributed is not installed."""
        try:
            import cloudpickle
            from distributed import Client
        except ImportError as err:
            raise EnvironmentMissing(
                "dask.distributed is not installed", hint="pip install distributed, or leave --scheduler out"
            ) from err
        self._address = address
        # Neither scheduler nor workers have our modules: what workers call is sent as it is.
        cloudpickle.register_pickle_by_value(on_a_worker)
        self._dumps, self._loads = cloudpickle.dumps, cloudpickle.loads
        try:
            untyped: Any = Client
            self._client = untyped(address, timeout=_PATIENCE, set_as_default=False)
        except (OSError, ValueError) as err:
            raise EnvironmentMissing(f"no scheduler answers at {address}", details=[str(err)]) from err

    @property
    def dashboard(self) -> str:
        """The address of the scheduler's own page."""
        link: str = self._client.dashboard_link
        return link

    def workers(self) -> int:
        """How many there are now."""
        return len(self._client.scheduler_info(n_workers=-1)["workers"])

    def ask(self, parcel: Parcel) -> Answer:
        """What the program says on one of the workers, when it has ended there.

        Raises `EnvironmentMissing` when worker after worker died of it, when one has no uv, cannot install or write,
        and when the scheduler is gone.
        """
        from distributed import CancelledError, KilledWorker
        from distributed.comm.core import CommClosedError

        values = (dict(parcel.files), parcel.requirements, parcel.module, parcel.question, parcel.timeout)
        if self._client.status not in ("running", "connecting"):
            raise self._gone("the connection is closed")
        try:
            # As bytes, which nobody looks into on the way: distributed pickles functions by the names of their modules.
            call = self._dumps(_Call(on_a_worker.carry_out, values))
            future = self._client.submit(self._loads, call, pure=False, retries=_AGAIN)
            machine, status, said, complained = future.result()
        except KilledWorker as err:
            raise EnvironmentMissing("worker after worker died", details=[str(err)]) from err
        except (CancelledError, CommClosedError) as err:
            raise self._gone(str(err)) from err
        except (RuntimeError, OSError) as err:
            raise EnvironmentMissing("a worker cannot run it", details=str(err).splitlines()[-15:]) from err
        return Answer(machine=machine, status=status, said=said, complained=tuple(complained.splitlines()))

    def _gone(self, why: str) -> EnvironmentMissing:
        return EnvironmentMissing(
            f"the scheduler at {self._address} has ended, or gave this up", details=[why],
            hint="start it again, and then what was to be certified: what holds already is not tried again",
        )  # fmt: skip

    def close(self) -> None:
        """The connection ends; the workers stay."""
        self._client.close()
