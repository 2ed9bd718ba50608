"""requirements.txt of a project -> its packages, installed, unless one of them would be another Airflow.

Python 3.6 and later, standard library only. The image is certified with one Airflow: a requirement on it is refused, in
any spelling, before pip is asked; PIP_CONSTRAINT keeps what it requires at its version; at the end the installed one
is compared with the one of before.
"""

import os
import re
import shlex
import subprocess
import sys
from urllib.parse import unquote, urlsplit

NAME = "apache-airflow"
OURS = (NAME, "astronomer-certified")
_OPTIONS = ("-r", "--requirement", "-c", "--constraint", "-e", "--editable")
_WORD = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


class Refused(Exception):
    """Why nothing is installed, in one line."""


def normal(name):
    """The name as all its spellings are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def logical_lines(text):
    """Lines with their numbers, as pip reads them: a backslash at the end joins, a # behind a blank is a comment."""
    joined, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        first = first or number
        if line.endswith("\\"):
            joined += line[:-1]
            continue
        joined = re.sub(r"(^|\s+)#.*$", "", joined + line).strip()
        if joined:
            yield first, joined
        joined, first = "", 0


def of_address(address):
    """The names that what lies at an address, or path, may have: of its egg, its file, its folder, its repository."""
    parts = urlsplit(address)
    for word in parts.fragment.split("&"):
        if word.startswith("egg="):
            yield unquote(word[4:]).partition("[")[0]
    path = unquote(parts.path or address).partition("@")[0].rstrip("/")
    last = path.rpartition("/")[2]
    yield re.sub(r"\.git$", "", last)
    # NAME-VERSION of an sdist or a wheel.
    match = re.match(r"(.+?)-v?\d[^/]*\.(?:whl|zip|tar\.gz|tar\.bz2|tgz)$", last)
    if match:
        yield match.group(1)
    # Archives that a forge makes of a repository have its name further up.
    for part in path.split("/"):
        yield re.sub(r"\.git$", "", part)


def names_of(line):
    """The names that a line asks for: of a requirement, or of the address that stands in its place."""
    line = line.split(" --hash")[0].strip()
    head, at, address = line.partition("@")
    match = _WORD.match(head)
    if "://" in line.split(";")[0] or line.startswith((".", "/")) or re.search(r"\.(whl|zip|tar\.gz|tgz)\b", line):
        for name in of_address(address.strip() if at and match and "://" not in head else line):
            yield name
        if at and match and "://" not in head:
            yield match.group(1)
        return
    if match:
        yield match.group(1)


def option_of(line):
    """An option that names a file or an address, and its value; None for other lines."""
    for option in _OPTIONS:
        if line == option:
            raise Refused(f"{option} without what it is for")
        # pip takes `-rFILE` and `--requirement=FILE`, too.
        if line.startswith(option) and (not option.startswith("--") or line[len(option)] in " =\t"):
            words = shlex.split(line[len(option) :].lstrip("= \t"))
            if not words:
                raise Refused(f"{option} without what it is for")
            return option, words[0]
    return None


def check(path, seen=()):
    """Raises Refused for a line of the file, or of one that it names, that asks for another Airflow."""
    path = os.path.realpath(path)
    if path in seen:
        return
    try:
        with open(path, encoding="utf-8-sig") as stream:
            text = stream.read()
    except (OSError, UnicodeDecodeError) as err:
        raise Refused(f"{path} cannot be read: {err}")
    for number, line in logical_lines(text):
        try:
            option = option_of(line)
        except (Refused, ValueError) as err:
            raise Refused(f"{path}, line {number}: {err}")
        if option is not None and option[0] not in ("-e", "--editable"):
            if "://" in option[1]:
                raise Refused(f"{path}, line {number}: {option[0]} is not read from elsewhere; put the file beside")
            check(os.path.join(os.path.dirname(path), option[1]), (*seen, path))
            continue
        asked = of_address(option[1]) if option is not None else () if line.startswith("-") else names_of(line)
        for name in asked:
            if normal(name) in OURS or (option is not None and normal(name) == "airflow"):
                raise Refused(
                    f"{path}, line {number}: {line} would be another Airflow than this image has; take the line out, "
                    "or begin FROM the image with the Airflow that you want"
                )


def installed():
    """The version of Airflow that is installed here."""
    words = [sys.executable, "-I", "-c", "import airflow.version; print(airflow.version.version)"]
    return subprocess.check_output(words).decode().strip()


def main(path):
    """Installs them. A status of 1 after one line of why not."""
    try:
        check(path)
        before = installed()
        words = [sys.executable, "-m", "pip", "install", "--no-cache-dir", "-r", path]
        status = subprocess.call(words)
        if status:
            raise Refused(f"pip ended with status {status}")
        after = installed()
        if after != before:
            raise Refused(f"the project's requirements replaced Airflow {before} by {after}")
    except Refused as err:
        print(f"requirements: {err}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
