"""A stand-in for zig, and a C library of one function: tests need this machine's gcc, and no download of 100 MB."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
from pathlib import Path

VERSION = "0.1"

# It takes the words that zig takes and gcc does not away. What gcc makes of a tiny extension runs on every glibc.
_ZIG = """\
#!/bin/sh
word=$1
shift
case $word in
version) echo 0.1; exit ;;
ar | ranlib) exec /usr/bin/"$word" "$@" ;;
esac
left=$#
while [ "$left" -gt 0 ]; do
    word=$1
    shift
    left=$((left - 1))
    case $word in
    -target) shift; left=$((left - 1)) ;;
    -fno-sanitize=undefined) ;;
    *) set -- "$@" "$word" ;;
    esac
done
exec GCC "$@"
"""

LIBRARY = "tiny_1.0.orig.tar.gz"
SECOND = "tiny_0.9.orig.tar.gz"
PATCHES = "tiny_1.0-1.debian.tar.xz"

_TINY_C = "int tiny_answer(void) { return 41; }\n"
_PATCH = """\
The answer is 42.

--- a/tiny.c
+++ b/tiny.c
@@ -1 +1 @@
-int tiny_answer(void) { return 41; }
+int tiny_answer(void) { return 42; }
"""

RECORD = """\
[tiny]
why = "the answer of tiny-machine"
licence = "MIT"
licence-files = ["COPYING"]
programs = ["make"]
links = ["tiny"]
commands = [
    "$CC $CFLAGS -c tiny.c -o tiny.o && $AR rc libtiny.a tiny.o && $RANLIB libtiny.a",
    "mkdir -p $OUT/usr/lib $OUT/usr/include && cp libtiny.a $OUT/usr/lib/ && cp tiny.h $OUT/usr/include/",
]

[[tiny.sources]]
version = "1.0"
file = "pool/main/t/tiny/{library}"
sha256 = "{library_sha256}"
patches-file = "pool/main/t/tiny/{patches}"
patches-sha256 = "{patches_sha256}"
patches = ["answer.patch"]

[[tiny.sources]]
version = "0.9"
file = "pool/main/t/tiny/{second}"
sha256 = "{second_sha256}"
"""


def zig_members() -> dict[str, bytes]:
    """The files of a wheel that takes the place of ziglang's."""
    gcc = shutil.which("gcc") or "/usr/bin/gcc"
    return {"ziglang/__init__.py": b"", "ziglang/zig": _ZIG.replace("GCC", gcc).encode()}


def library_archives(salt: str) -> dict[str, bytes]:
    """The archives of the library by file name, the same bytes each time, and others for another `salt`."""
    source = {
        "tiny-1.0/tiny.c": _TINY_C,
        "tiny-1.0/tiny.h": "int tiny_answer(void);\n",
        "tiny-1.0/COPYING": f"Do as you like, {salt}.\n",
    }
    return {
        LIBRARY: _tar(source, "gz"),
        SECOND: _tar({name.replace("1.0", "0.9"): text.replace("41", "40") for name, text in source.items()}, "gz"),
        PATCHES: _tar({"debian/patches/answer.patch": _PATCH, "debian/control": salt}, "xz"),
    }


def record(salt: str) -> str:
    """constraints/native.toml with the library."""
    archives = library_archives(salt)
    sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in archives.items()}
    return RECORD.format(
        library=LIBRARY, library_sha256=sha256[LIBRARY], second=SECOND, second_sha256=sha256[SECOND],
        patches=PATCHES, patches_sha256=sha256[PATCHES],
    )  # fmt: skip


def write_archives(folder: Path, salt: str, *names: str) -> Path:
    """The folder, in which those archives are now; all of them by default."""
    folder.mkdir(exist_ok=True)
    for name, content in library_archives(salt).items():
        if not names or name in names:
            (folder / name).write_bytes(content)
    return folder


def apt_for(folder: Path, *mirrors: str) -> dict[str, str]:
    """The variable by which apt finds a configuration of its own, with those mirrors."""
    folder.mkdir(exist_ok=True)
    (folder / "sources.list").write_text("".join(f"deb {address} stable main\n" for address in mirrors))
    (folder / "apt.conf").write_text(
        f'Dir::Etc::SourceList "{folder}/sources.list";\nDir::Etc::SourceParts "-";\nAcquire::http::Proxy "DIRECT";\n'
    )
    return {"APT_CONFIG": str(folder / "apt.conf")}


def _tar(members: dict[str, str], compression: str) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for path, text in members.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    if compression == "xz":
        import lzma

        return lzma.compress(plain.getvalue())
    import gzip

    return gzip.compress(plain.getvalue(), mtime=0)
