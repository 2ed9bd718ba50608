"""requirements.txt of a project -> its packages, installed, unless one of them would be another Airflow.

    requirements_guard.py FILE alone     before the project is there: what names no files of the project
    requirements_guard.py FILE within    in the project: what does

Python 3.6 and later, standard library only. The image is certified with one Airflow: a requirement on it is refused, in
any spelling, before pip is asked; PIP_CONSTRAINT keeps what it requires at its version; at the end the installed one
is compared with the one of before, file by file. Airflow is never imported here: as root, that would write its settings
with keys into the image.
"""

import csv
import hashlib
import os
import posixpath
import re
import shlex
import subprocess
import sys
import sysconfig
from urllib.parse import unquote, urlsplit

NAME = "apache-airflow"
OURS = (NAME, "astronomer-certified")
FILES = ("--requirement", "--constraint")
# Each alone in its line and by its whole name: pip takes beginnings of names, and of two options it may heed either.
SHORT = {"-r": "--requirement", "-c": "--constraint", "-e": "--editable", "-i": "--index-url", "-f": "--find-links"}
VALUED = (
    "--requirement", "--constraint", "--editable", "--index-url", "--extra-index-url", "--find-links", "--trusted-host",
    "--no-binary", "--only-binary", "--use-feature",
)  # fmt: skip
FLAGS = ("--pre", "--no-index", "--prefer-binary", "--require-hashes")
# Behind a requirement.
OF_REQUIREMENTS = ("--hash", "--global-option", "--install-option", "--config-settings", "--config-setting")

_COMMENT = re.compile(r"(^|\s+)#.*$")
_CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_NAMED = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?:(@)(.*))?", re.S)
_ADDRESS = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*):")
_ARCHIVE = re.compile(r"\.(whl|zip|tar|tgz|tbz|txz|tlz|gz|bz2|xz|lz|lzma)\s*(\[|$)", re.I)
# NAME-VERSION of an sdist or a wheel.
_FILE_NAME = re.compile(r"(.+?)-v?\d[^/]*\.(?:whl|zip|tgz|tar(?:\.\w+)?)$", re.I)


class Refused(Exception):
    """Why nothing is installed, in one line."""


def normal(name):
    """The name as all its spellings are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def text_of(path):
    """The text of a requirements file. Raises Refused for what pip would read in another way, or not at all."""
    try:
        with open(path, "rb") as stream:
            content = stream.read()
        for line in content.split(b"\n")[:2]:
            coding = _CODING.search(line)
            if line.startswith(b"#") and coding and coding.group(1).lower() not in (b"utf-8", b"utf8"):
                raise Refused(f"{path} says that it is not in UTF-8; write it so, and take the line with coding out")
        return content.decode("utf-8-sig")
    except (OSError, ValueError) as err:
        raise Refused(f"{path!r} cannot be read: {err}")


def logical_lines(text):
    """Lines with their numbers, as pip reads them: a backslash at the end joins, but for that of a line that is all
    comment; a # behind a blank is a comment; ${NAME} is a variable."""
    joined, first = "", 0
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        first = first or number
        is_comment = _COMMENT.match(line)
        if line.endswith("\\") and not is_comment:
            joined += line.strip("\\")
            if number < len(lines):
                continue
        else:
            joined += f" {line}" if is_comment else line
        whole = _COMMENT.sub("", joined).strip()
        if whole:
            yield first, _VARIABLE.sub(lambda match: os.environ.get(match.group(1)) or match.group(0), whole)
        joined, first = "", 0


def options_of(text):
    """The options in a text, by their whole names, each with its value or None. Raises Refused for any other word."""
    words = shlex.split(text)
    found = []
    while words:
        word = words.pop(0)
        name, given, value = word.partition("=") if word.startswith("--") else (SHORT.get(word[:2]), word[2:], word[2:])
        if name in FLAGS and not given:
            found.append((name, None))
            continue
        if name not in VALUED + OF_REQUIREMENTS:
            word = word.partition("=")[0]
            raise Refused(f"{word} is no option that may stand here; an option is written by its whole name")
        if not given and not words:
            raise Refused(f"{word} without what it is for")
        found.append((name, value if given else words.pop(0)))
    return found


def parts_of(line):
    """An option and its value, or None and a requirement. Raises Refused for a line that is more than one of these."""
    words = line.split(" ")
    # As pip does: all before the first word that begins with a hyphen is the requirement.
    end = next((number for number, word in enumerate(words) if word.startswith("-")), len(words))
    requirement, options = " ".join(words[:end]).strip(), options_of(" ".join(words[end:]))
    if requirement:
        others = [name for name, _ in options if name not in OF_REQUIREMENTS]
        if others:
            raise Refused(f"{others[0]} behind a requirement; give it a line of its own")
        return None, requirement
    if len(options) != 1:
        raise Refused("more than one option in a line; give each a line of its own")
    if options[0][0] in OF_REQUIREMENTS:
        raise Refused(f"{options[0][0]} without a requirement before it")
    return options[0]


def lines_of(path):
    """The lines of a file, each with where it stands, and its option and value. Raises Refused as `parts_of` does."""
    for number, line in logical_lines(text_of(path)):
        where = f"{path}, line {number}"
        try:
            option, value = parts_of(line)
        except (Refused, ValueError) as err:
            raise Refused(f"{where}: {err}")
        yield where, option, value


def place_of(requirement):
    """The address or path that a requirement names, or None for one that an index is asked for."""
    named = _NAMED.match(requirement)
    if named and named.group(2):
        requirement = named.group(3)
    if (named and named.group(2)) or _ADDRESS.match(requirement):
        # A semicolon may be part of an address; that of a marker has a blank beside it.
        return re.split(r";\s|\s;", requirement)[0].strip()
    place = requirement.partition(";")[0].strip()
    return place if "/" in place or place.startswith(".") or _ARCHIVE.search(place) else None


def is_file(place):
    """Whether an address or path is one of a file or folder of here."""
    address = _ADDRESS.match(place)
    return not address or address.group(1).lower().endswith("file")


def of_place(place, is_checkout):
    """The names that what lies at an address or path may have: of its egg, its file, its folder, its repository."""
    parts = urlsplit(place)
    for word in parts.fragment.split("&"):
        key, _, value = unquote(word).partition("=")
        if key in ("egg", "subdirectory"):
            yield value.partition("[")[0].rstrip("/").rpartition("/")[2]
    path = unquote(parts.path or place).partition("[")[0].strip()
    # What stands behind the last @ is a branch or a commit of a repository.
    for whole in {path, path.rpartition("@")[0] or path}:
        yield from of_path(posixpath.normpath(whole), is_checkout or "+" in parts.scheme)


def of_path(path, is_checkout):
    """The names that what lies at a path, here or of an address, may have."""
    folders = [re.sub(r"\.git$", "", part) for part in path.split("/")]
    if "/apache/airflow/" in "/".join(["", *folders, ""]).lower() or (is_checkout and normal(folders[-1]) == "airflow"):
        yield NAME
    match = _FILE_NAME.match(folders[-1])
    if match:
        yield match.group(1)
    # Archives that a forge makes of a repository have its name further up. A wheel says itself what it is of.
    if not folders[-1].lower().endswith(".whl"):
        is_sdist = match and not {"archive", "tarball", "zipball", "-"} & set(folders)
        yield from folders[-1:] if is_sdist else folders


def names_of(option, value):
    """The names that a line asks for: of a requirement, and of the address or path that stands in its place."""
    if option is None:
        named = _NAMED.match(value)
        if named and not _ADDRESS.match(value):
            yield named.group(1)
    elif option != "--editable":
        return
    place = value if option else place_of(value)
    if place is not None:
        yield from of_place(place, option is not None)


def check(path, seen=()):
    """Raises Refused for a line of the file, or of one that it names, that asks for another Airflow."""
    seen = (*seen, os.path.realpath(path))
    for where, option, value in lines_of(path):
        if option in FILES:
            if _ADDRESS.match(value):
                raise Refused(f"{where}: {option} is not read from elsewhere; put the file beside")
            inner = os.path.join(os.path.dirname(path), value)
            if "\0" in inner:
                raise Refused(f"{where}: {inner!r} cannot be the name of a file")
            if os.path.realpath(inner) not in seen:
                check(inner, seen)
            continue
        try:
            names = {normal(name) for name in names_of(option, value)}
        except ValueError as err:
            raise Refused(f"{where}: its address cannot be read: {err}")
        for name in sorted(names.intersection(OURS)):
            raise Refused(
                f"{where}: {name} would be another Airflow than this image has; take the line out, or begin FROM the "
                "image with the Airflow that you want"
            )


def names_files(path):
    """Whether a line of the file names another file, or a folder, of the project."""
    for _, option, value in lines_of(path):
        if option in FILES:
            return True
        if option in ("--editable", "--find-links") and is_file(value):
            return True
        place = place_of(value) if option is None else None
        if place is not None and is_file(place):
            return True
    return False


def installed():
    """The version of the Airflow that is installed here, where its code is, and a digest of all its files."""
    folder = sysconfig.get_path("purelib")
    found = [name for name in os.listdir(folder) if re.match(r"apache_airflow-[^-]*\.dist-info$", name)]
    if len(found) != 1:
        raise Refused(f"{folder} has {len(found)} distributions of {NAME}, and not one: {', '.join(sorted(found))}")
    try:
        with open(os.path.join(folder, found[0], "RECORD"), "rb") as stream:
            record = stream.read()
    except OSError as err:
        raise Refused(f"what belongs to {NAME} cannot be read: {err}")
    total = hashlib.sha256(record)
    for row in csv.reader(record.decode().splitlines()):
        # Providers put their own into that folder.
        if row and not row[0].startswith("airflow/providers/"):
            try:
                with open(os.path.join(folder, row[0]), "rb") as stream:
                    total.update(hashlib.sha256(stream.read()).digest())
            except OSError:
                total.update(b"-")
    # Found and not imported: by an interpreter that has begun after pip, as that may have given it more folders.
    words = [sys.executable, "-I", "-c", "import importlib.util as u; print(u.find_spec('airflow').origin)"]
    asked = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return found[0][len("apache_airflow-") : -len(".dist-info")], asked.stdout.decode().strip(), total.hexdigest()


def install(path):
    """Everything in the file is installed, and Airflow is as it was. Raises Refused otherwise."""
    before = installed()
    status = subprocess.call([sys.executable, "-I", "-m", "pip", "install", "--no-cache-dir", "-r", path])
    if status:
        raise Refused(f"pip ended with status {status}")
    after = installed()
    if after[0] != before[0]:
        raise Refused(f"the project's requirements replaced Airflow {before[0]} by {after[0]}")
    if after != before:
        raise Refused(f"the project's requirements changed files of Airflow {before[0]}, or put another before it")


def main(path, when):
    """Installs them where it is time for that. A status of 1 after one line of why not."""
    try:
        needs_project = names_files(path)
        if needs_project and when == "alone":
            print("requirements: they name files of the project, and are installed once these are there")
        if needs_project == (when == "within"):
            check(path)
            install(path)
    except Refused as err:
        print(f"requirements: {err}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
