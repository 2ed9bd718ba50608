"""patches/differences.toml -> what releases in operation do otherwise than upstream, and which patch is the reason."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from pathlib import Path

from . import toml_reader as toml


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a part of a check is seen differently of upstream: `patch` is the name of a patch without its number.

    The part, and what each side sees of it, are patterns as of files (`*` for any words).
    """

    check: str
    part: str
    upstream: str
    certified: str
    patch: str
    why: str

    def explains(self, check: str, part: str, upstream: str, certified: str) -> bool:
        """Whether it speaks of that part of that check, and of what the two sides see of it."""
        seen = ((part, self.part), (upstream, self.upstream), (certified, self.certified))
        return check == self.check and all(fnmatch.fnmatchcase(text, pattern) for text, pattern in seen)

    def carried(self, patches: tuple[str, ...]) -> str:
        """The file name of its patch among those of a series; empty when that series has none."""
        return next((name for name in patches if name.partition("-")[2] == f"{self.patch}.patch"), "")


def load(path: Path) -> tuple[Explanation, ...]:
    """All of them. Raises `ManifestError` with every key that is not as docs/certification.md says."""
    top = toml.load(path)
    found = []
    for table in top.tables("differences"):
        found.append(
            Explanation(
                check=table.get("check", toml.text, default=""),
                part=table.get("part", toml.text, default=""),
                upstream=table.get("upstream", toml.text, default=""),
                certified=table.get("ours", toml.text, default=""),
                patch=table.get("patch", toml.text, default=""),
                why=table.get("why", toml.text, default=""),
            )
        )
        table.close()
    top.close()
    top.problems.finish()
    return tuple(found)
