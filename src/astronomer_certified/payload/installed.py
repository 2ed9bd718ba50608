"""What is installed beside the payload: distributions by name, from their .dist-info folders (PEP 376)."""

import base64
import csv
import hashlib
import os
import re
import sys
from collections import namedtuple

# `folder` is the .dist-info folder.
Distribution = namedtuple("Distribution", "name version folder")


def normal(name):
    """The name as PEP 503 has it: two that are the same after this are one project."""
    return re.sub(r"[-_.]+", "-", name).lower()


def distributions(folders=None):
    """Every `Distribution` on the path by its normal name. Of two with one name the first is it, as for an import."""
    found = {}
    for folder in sys.path if folders is None else folders:
        try:
            names = sorted(os.listdir(folder or "."))
        except OSError:
            continue
        for name in names:
            if name.endswith(".dist-info"):
                one = _read(os.path.join(folder or ".", name))
                if one is not None:
                    found.setdefault(normal(one.name), one)
    return found


def _read(folder):
    """The distribution of a .dist-info folder; None for one that pip has left half removed."""
    fields = {}
    try:
        with open(os.path.join(folder, "METADATA"), encoding="utf-8", errors="replace") as stream:
            for line in stream:
                # The description follows behind an empty line.
                if not line.strip():
                    break
                name, _, value = line.partition(":")
                fields.setdefault(name, value.strip())
    except OSError:
        return None
    if not fields.get("Name") or not fields.get("Version"):
        return None
    return Distribution(name=fields["Name"], version=fields["Version"], folder=folder)


def changed_files(distribution):
    """The files of a distribution that are not what its RECORD says, each `(path, what)`: "gone", or "changed".

    Raises OSError where there is no RECORD. Files without a hash are not looked at.
    """
    found = []
    root = os.path.dirname(distribution.folder)
    with open(os.path.join(distribution.folder, "RECORD"), encoding="utf-8", newline="") as stream:
        for row in csv.reader(stream):
            if len(row) < 2 or not row[1].startswith("sha256="):
                continue
            path = os.path.join(root, row[0])
            try:
                with open(path, "rb") as content:
                    digest = hashlib.sha256(content.read()).digest()
            except OSError:
                found.append((row[0], "gone"))
                continue
            if base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=") != row[1][len("sha256=") :]:
                found.append((row[0], "changed"))
    return found


def listed_files(found):
    """Every path that the RECORD of one of these distributions has, from its folder of packages on."""
    listed = set()
    for one in found:
        try:
            with open(os.path.join(one.folder, "RECORD"), encoding="utf-8", newline="") as stream:
                listed.update(os.path.normpath(row[0]) for row in csv.reader(stream) if row)
        except OSError:
            # Installed in another way; the others say what is theirs.
            continue
    return listed


def modules(distribution, package):
    """The files with code below a package, from the folder that holds the distribution on."""
    root = os.path.dirname(distribution.folder)
    return sorted(
        os.path.relpath(os.path.join(folder, name), root)
        for folder, _, names in os.walk(os.path.join(root, package))
        for name in names
        if name.endswith((".py", ".so"))
    )
