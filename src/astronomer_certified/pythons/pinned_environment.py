"""Constraints + our own wheels -> virtual environments that hold exactly a closure, every file checked by sha256."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName, parse_wheel_filename

from astronomer_certified.artifacts import Constraints, Interpreter, Pin, Wheel

from . import environments


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Our own wheels, to take in place of what an upstream index would give."""

    wheels: tuple[Wheel, ...]

    def pick(self, pin: Pin, interpreter: Interpreter) -> Wheel | None:
        """Our wheel for a pin on that Python, if we have one."""
        for wheel in self.wheels:
            name, version, _, tags = parse_wheel_filename(wheel.filename)
            interpreted = {interpreter.python.tag, "py3"}
            if (name, version) == (pin.name, pin.version) and any(tag.interpreter in interpreted for tag in tags):
                return wheel
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What an environment is to hold: the named pins of a closure, the hashed files `also`, and `wheels` of ours.

    A pin of which the shelf has a wheel is taken from there.
    """

    constraints: Constraints
    names: Collection[NormalizedName]
    shelf: Shelf
    also: Sequence[Path] = ()
    wheels: Sequence[Wheel] = ()


def install(environment: Path, interpreter: Interpreter, contents: Contents) -> None:
    """`environment` is a new virtual environment with exactly these contents.

    Raises `UpstreamError` when the index does not answer, `CommandFailed` otherwise.
    """
    environments.create(environment, interpreter)
    ours = list(contents.wheels)
    lines = []
    for name in sorted(contents.names):
        pin = contents.constraints.pins[name]
        # The hashes of a pin are those of upstream's files; a wheel of ours is none of them.
        if (wheel := contents.shelf.pick(pin, interpreter)) is not None:
            ours.append(wheel)
        else:
            lines.append(" ".join((f"{pin.name}=={pin.version}", *(f"--hash=sha256:{h}" for h in sorted(pin.sha256)))))
    requirements = environment / "requirements.txt"
    requirements.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    environments.install(environment, [requirements, *contents.also], wheels=ours)
