"""A number of files -> a store of that many tiny wheels, one project of 300 files and one wheel of 5 MB, with records.

Written straight, without the checks and the fsync of an upload: 200,000 uploads are not what is measured.
"""

from __future__ import annotations

import hashlib
import io
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

from packaging.utils import canonicalize_name

from astronomer_certified.index.store.records import FileRecord, ProjectRecord, timestamp
from astronomer_certified.index.store.store import Store

FILES_OF_A_PROJECT = 10
FILES_OF_THE_LARGE_PROJECT = 300
LARGE_WHEEL = 5 << 20
_BORN = 1_600_000_000


def make(root: Path, files: int) -> Store:
    """The store; made once for each folder."""
    store = Store.open(root)
    if store.names():
        return store
    projects = files // FILES_OF_A_PROJECT
    names = []
    for number in range(projects):
        names.append(_fill(store, f"project-{number:05}", [f"1.{minor}" for minor in range(FILES_OF_A_PROJECT)]))
    names.append(_fill(store, "many-files", [f"1.{minor}" for minor in range(FILES_OF_THE_LARGE_PROJECT)]))
    names.append(_fill(store, "large-file", ["1.0"], random.Random(5).randbytes(LARGE_WHEEL)))
    store.write(store.names_file, "".join(f"{name}\n" for name in names).encode())
    return store


def wheel(name: str, version: str, content: bytes = b"") -> tuple[str, bytes, bytes]:
    """Filename, bytes and METADATA."""
    module = name.replace("-", "_")
    folder = f"{module}-{version}.dist-info"
    metadata = (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Python: >=3.6\n"
        "Description-Content-Type: text/markdown\n\nWhat it is.\n"
    ).encode()
    members = {
        f"{module}.py": content,
        f"{folder}/METADATA": metadata,
        f"{folder}/WHEEL": b"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(data)},{len(data)}\n" for path, data in members.items())
    members[f"{folder}/RECORD"] = f"{record}{folder}/RECORD,,\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in members.items():
            archive.writestr(path, data)
    return f"{module}-{version}-py3-none-any.whl", buffer.getvalue(), metadata


def _digest(content: bytes) -> str:
    import base64

    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _fill(store: Store, name: str, versions: list[str], content: bytes = b"") -> str:
    project = canonicalize_name(name)
    record = ProjectRecord(name=project, files=tuple(_files(store, name, versions, content)))
    store.record_file(project).write_bytes(record.to_json())
    return project


def _files(store: Store, name: str, versions: list[str], content: bytes) -> Iterator[FileRecord]:
    for version in versions:
        filename, whole, metadata = wheel(name, version, content)
        store.file(filename).write_bytes(whole)
        store.metadata(filename).write_bytes(metadata)
        yield FileRecord(
            filename=filename,
            version=version,
            sha256=hashlib.sha256(whole).hexdigest(),
            size=len(whole),
            uploaded=timestamp(_BORN),
            uploader="bench",
            requires_python=">=3.6",
            metadata_sha256=hashlib.sha256(metadata).hexdigest(),
        )
