"""Typed records <-> JSON with a format number: what certificates are kept as."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astronomer_certified.errors import ManifestError

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A kind of record: its class, a dataclass with the field `format`, whose only number readers take is `number`.

    `called` is what a person calls it, `again` what makes one anew.
    """

    record: type[Any]
    number: int
    called: str
    again: str

    def read(self, path: Path) -> Any:
        """The record of a file; None where there is none. Raises `ManifestError` for what is none of this form."""
        try:
            values = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        # Brackets within brackets, deeper than any certificate, are too much for the reader of JSON.
        except (ValueError, RecursionError) as err:
            raise ManifestError(f"{path} is not JSON", details=[str(err)], hint="git checkout it") from err
        # The first ones did not give a number.
        number = values.get("format", 1) if isinstance(values, dict) else None
        if number != self.number:
            raise ManifestError(
                f"{path}: {self.called} of format {number}, and this tool reads {self.number}", hint=self.again
            )
        try:
            return parsed(self.record, values)
        except ValueError as err:
            raise ManifestError(
                f"{path} is no {self.called.removeprefix('a ')}", details=str(err).splitlines(), hint="git checkout it"
            ) from err

    def rendered(self, record: Any) -> str:
        """The record as the JSON text of its file."""
        return json.dumps(_adapter(self.record).dump_python(record, mode="json"), indent=1) + "\n"

    def schema(self) -> str:
        """The JSON schema (draft 2020-12) of the file, as text."""
        found = _adapter(self.record).json_schema()
        found["properties"]["format"] = {"const": self.number, "title": "Format"}
        return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **found}, indent=1) + "\n"


def parsed(kind: type[Any], values: Any) -> Any:
    """The record of that class that JSON values state. Raises ValueError with every problem and its place."""
    return _adapter(kind).validate_python(values)


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # here: it takes longer to import than a run that has nothing to do

    return TypeAdapter(kind)
