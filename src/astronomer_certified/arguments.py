"""Words of the command line -> values; for argparse, which turns what they raise into wrong usage."""

from __future__ import annotations

import argparse

from packaging.version import InvalidVersion, Version


def version(text: str) -> Version:
    """The version. Raises argparse.ArgumentTypeError for what is none (PEP 440)."""
    try:
        return Version(text)
    except InvalidVersion as err:
        raise argparse.ArgumentTypeError(f"not a version: {text!r}") from err


def jobs(text: str) -> int:
    """How much may run at once. Raises argparse.ArgumentTypeError for anything but a whole number from 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"not a whole number from 1: {text!r}")
    return int(text)
