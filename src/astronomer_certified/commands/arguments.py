"""Words of the command line -> values; for argparse, which turns what they raise into wrong usage."""

from __future__ import annotations

import argparse
import ipaddress
import math
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from packaging.version import InvalidVersion, Version

from astronomer_certified.artifacts import Python
from astronomer_certified.errors import UsageError, WorkspaceError
from astronomer_certified.workspace import Workspace

# What `-C` is when nobody says it.
_HERE = "."

# A hundred years: an end is also shown as a date, and those end with the year 9999.
_LONGEST_DAYS = 36_500


def workspace(args: argparse.Namespace) -> Workspace:
    """The project folder that `-C` names, by default the present one or the nearest above it, as in a checkout of the
    project's. Raises `WorkspaceError` for what is none."""
    root = Path(args.directory).absolute()
    if args.directory == _HERE:
        root = next((above for above in (root, *root.parents) if _has_patches(above)), root)
    if not (root / "patches").is_dir():
        raise WorkspaceError(
            f"{root} is not a project: it has no patches/", hint="go there, or name it: certified -C DIR …"
        )
    return Workspace.at(root)


def _has_patches(folder: Path) -> bool:
    """Whether it is a project: a source in a checkout may have a folder of that name, too, but nothing of ours."""
    return any(any(folder.glob(f"patches/{kind}")) for kind in ("*/release.toml", "*/*/distribution.toml"))


def index_folder(args: argparse.Namespace) -> Path:
    """The folder of the index that `--index` names, by default the project's. Raises `UsageError`."""
    if args.index is not None:
        return Path(args.index).absolute()
    root = Path(args.directory).absolute()
    if "CERTIFIED_INDEX_DIR" not in os.environ and not (root / "patches").is_dir():
        raise UsageError(f"{root} is not a project, so it has no index", hint="name the index: --index DIR")
    return Workspace.at(root).index


def version(text: str) -> Version:
    """The version. Raises argparse.ArgumentTypeError for what is none (PEP 440)."""
    try:
        return Version(text)
    except InvalidVersion as err:
        raise argparse.ArgumentTypeError(f"not a version: {text!r}") from err


def python(text: str) -> Python:
    """The Python version. Raises argparse.ArgumentTypeError for anything but one like 3.8."""
    try:
        return Python.parse(text)
    except ValueError as err:
        raise argparse.ArgumentTypeError(f"not a Python version like 3.8: {text!r}") from err


def jobs(text: str) -> int:
    """How much may run at once. Raises argparse.ArgumentTypeError for anything but a whole number from 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"not a whole number from 1: {text!r}")
    return int(text)


def days(text: str) -> float:
    """A number of days that an end can be reckoned from; NaN would be no end at all.

    Raises argparse.ArgumentTypeError for what is no number, or more than a hundred years.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    # Not `>`: of NaN every comparison is false.
    if not abs(number) <= _LONGEST_DAYS:
        raise argparse.ArgumentTypeError(f"not a number of days up to {_LONGEST_DAYS}: {text!r}")
    return number


def text(given: str) -> str:
    """What can be written down: a byte of an argument that is no UTF-8 cannot. Raises argparse.ArgumentTypeError."""
    try:
        given.encode()
    except UnicodeEncodeError as err:
        raise argparse.ArgumentTypeError(f"not UTF-8: {given!a}") from err
    return given


def address(text: str) -> str:
    """An address with scheme and host, ending in a slash. Raises argparse.ArgumentTypeError for what is none."""
    try:
        parts = urlsplit(text)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and " " not in text
    except ValueError:  # a port that is none, or half of an IPv6 address
        whole = False
    # Names of projects are put behind it, where a query or a fragment would swallow them.
    if not whole or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError(f"no address of an index: {text!r}; say https://packages.example/team/")
    return text.rstrip("/") + "/"


def size(text: str) -> int:
    """A number of bytes above zero, of text like 500M, in powers of 1024. Raises argparse.ArgumentTypeError for what is
    none."""
    match = re.fullmatch(r"(\d{1,9})([KMGkmg]?)", text)
    if match is None or not int(match.group(1)):
        raise argparse.ArgumentTypeError(f"not a size: {text!r}; say 500M or 2G")
    return int(match.group(1)) << {"": 0, "K": 10, "M": 20, "G": 30}[match.group(2).upper()]


def prefix(text: str) -> str:
    """The beginning of a path below the root. Raises argparse.ArgumentTypeError for what is none."""
    if not re.fullmatch(r"/[!-~]*", text):
        raise argparse.ArgumentTypeError(f"no path from the root: {text!r}; say /files/")
    return text


def client(text: str) -> str:
    """The IP address of one machine, or `*` for any. Raises argparse.ArgumentTypeError for what is neither."""
    if text != "*" and not _is_ip(text):
        what = f"not the address of a machine: {text!r}; say 10.0.0.7, or * where nobody else can connect"
        raise argparse.ArgumentTypeError(what)
    return text


def host(text: str) -> str:
    """A host, or HOST:PORT. Raises argparse.ArgumentTypeError for what is neither."""
    if not re.fullmatch(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?", text, re.ASCII) and not _is_ip(text):
        raise argparse.ArgumentTypeError(f"no host: {text!r}; say files.internal or files.internal:8081")
    return text.replace("[", "").replace("]", "")  # as a connection has it


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
