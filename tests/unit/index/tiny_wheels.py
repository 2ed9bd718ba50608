"""The bytes of tiny wheels, sound ones and others, for tests of the index."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile

NAME = "tiny-1.0-py3-none-any.whl"
RECORD = "tiny-1.0.dist-info/RECORD"

METADATA = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"


def wheel(members: dict[str, str] | None = None, *, content: str = "", but: str = "") -> bytes:
    """A zip of these members; an empty RECORD among them is filled in."""
    members = members or whole(content=content)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members.items():
            archive.writestr(
                zipfile.ZipInfo(name),  # of 1980: the same members are the same bytes at any time
                text
                or (record({n: t for n, t in members.items() if n != but}, name) if name.endswith("/RECORD") else ""),
            )
    return buffer.getvalue()


def record(members: dict[str, str], itself: str) -> str:
    def line(name: str, text: str) -> str:
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        return f"{name},sha256={digest},{len(text.encode())}\n"

    return "".join(line(name, text) for name, text in members.items() if name != itself) + f"{itself},,\n"


def whole(*, content: str = "", metadata: str = METADATA, folder: str = "tiny-1.0.dist-info") -> dict[str, str]:
    return {
        "tiny.py": content,
        f"{folder}/METADATA": metadata,
        f"{folder}/WHEEL": "Wheel-Version: 1.0\n",
        f"{folder}/RECORD": "",
    }
