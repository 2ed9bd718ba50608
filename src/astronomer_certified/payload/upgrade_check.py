"""`upgrade-check`: asks the index that pip is set up with for a newer revision, and says what that fixes.

pip is asked, as it knows the index, its certificates and its passwords. It fetches one wheel, which says itself what is
in it, into a folder that is removed. Nothing else of the payload asks anybody outside of the installation.
"""

import json
import lzma
import os
import re
import subprocess
import sys
import tempfile
import zipfile
import zlib

from . import masking, record, say
from .refusals import Refused

# Seconds for a slow index.
_PATIENCE = 120
# Bytes: far more than any release.json has.
_LIMIT = 20000000
# What an archive can do that is damaged, or made to do harm: encrypted, packed in another way, nested without end.
_HOSTILE = (LookupError, ValueError, RuntimeError, OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
NEWER = 3


def add(verbs):
    """The verb is known to the parser."""
    verb = verbs.add_parser(
        "upgrade-check", help="ask pip's index for a newer revision; status {} if there is one".format(NEWER)
    )
    verb.add_argument("--index-url", help="the index (default: what pip is set up with)")
    verb.add_argument("--json", action="store_true", help="the answer as JSON")
    verb.set_defaults(run=run)


def run(args):
    """Prints what is newer. 0 where nothing is, and 3 where something is. Raises Refused where nobody can be asked."""
    ours = record.read()
    base, revision = _split(ours.version)
    with tempfile.TemporaryDirectory(prefix="astronomer-certified-") as folder:
        version, theirs = _fetched(base, args.index_url, folder)
    newer = _split(version)[1] > revision
    fixes = _fixes(ours, theirs) if newer and theirs else []
    notices = _notices(ours, theirs) if newer and theirs else []
    if args.json:
        print(json.dumps({
            "installed": ours.version, "newest": version, "newer": newer,
            "fixes": [item._asdict() for item in fixes], "notices": notices,
        }, indent=1))  # fmt: skip
    elif not newer:
        say.line("{} is installed; the newest on the index is {}".format(ours.version, version))
    else:
        _say(ours, version, theirs, fixes, notices)
    return NEWER if newer else 0


def _say(ours, version, theirs, fixes, notices):
    say.line("{} is installed; the index has {}".format(ours.version, version))
    if theirs is None:
        say.line("what it fixes is not known here: its release.json is written in another way")
    else:
        say.line("it fixes {} vulnerabilities that the installed one has".format(len(fixes)))
    for item in fixes:
        say.line("  {}: {}".format(item.id, item.summary))
    if notices:
        say.line("look at this before you upgrade:")
    for notice in notices:
        say.line("  {}".format(notice))
    say.line("with your extras: pip install 'astronomer-certified[EXTRAS]=={}'".format(version))


def _split(version):
    """`("2.1.0", 4)` of 2.1.0.post4. Raises Refused for what is no such version."""
    match = re.match(r"(\d+\.\d+\.\d+)\.post(\d+)\Z", version)
    if match is None:
        raise Refused("astronomer-certified {!r} is no version like 2.1.0.post4".format(version))
    return match.group(1), int(match.group(2))


def _fetched(base, index_url, folder):
    """The version of the newest wheel for an Airflow, and its `Record`, or None where that is not to be read."""
    words = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet"]
    words += ["--no-deps", "--only-binary", ":all:", "--dest", folder]
    words += ["astronomer-certified=={}.*".format(base)]
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_PATIENCE,
            # Where nobody else puts code: Python looks for modules there. And what a command says, everybody sees.
            cwd=folder, env=dict(os.environ, PIP_INDEX_URL=index_url) if index_url else None,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Refused("the index has not answered in {} s".format(_PATIENCE)) from None
    wheels = [name for name in os.listdir(folder) if name.endswith(".whl")]
    if done.returncode or len(wheels) != 1:
        raise Refused(_why_not(done.stdout.decode("utf-8", "replace")))
    return wheels[0].split("-")[1], _record_in(os.path.join(folder, wheels[0]))


def _why_not(said):
    """One line of what pip said, without passwords."""
    if "No module named pip" in said:
        return "pip is not installed here, and it is pip that knows the index: {} -m ensurepip".format(sys.executable)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # A fault of pip's own ends with its message, and begins with these words.
    told = [line for line in lines if line.upper().startswith("ERROR") and line != "ERROR: Exception:"]
    errors = told or lines or ["nothing"]
    return "pip found none: {}; name the index with --index-url".format(masking.shown("", errors[-1]))


def _record_in(path):
    try:
        with zipfile.ZipFile(path) as wheel, wheel.open("astronomer_certified/release.json") as stream:
            return record.of(json.loads(stream.read(_LIMIT).decode("utf-8")))
    except (Refused, *_HOSTILE):
        return None


def _fixes(ours, theirs):
    """The vulnerabilities that the other release does not have, and this one does, or did not know of."""
    here = {item.id: item.status for item in ours.vulnerabilities}
    return [
        item
        for item in theirs.vulnerabilities
        if item.status == "fixed" and here.get(item.id, "unknown") in ("affected", "unknown")
    ]


def _notices(ours, theirs):
    """What the patches ask of operators that the other release has and this one has not."""
    here = {(patch.distribution, patch.name) for patch in ours.patches}
    return [patch.notice for patch in theirs.patches if patch.notice and (patch.distribution, patch.name) not in here]
