"""`upgrade-check`: asks the index that pip is set up with for a newer revision, and says what that fixes.

pip is asked, as it knows the index, its certificates and its passwords. It fetches one wheel, which says itself what is
in it, into a folder that is removed. Nothing else of the payload asks anybody outside of the installation.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

from . import masking, record, say
from .refusals import Refused

# Seconds for a slow index.
_PATIENCE = 120
# Bytes: far more than any release.json has.
_LIMIT = 20000000
_DIGITS = 30
_RECORD = "astronomer_certified/release.json"
# Of the flags of a member of a zip.
_ENCRYPTED = 1
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
    known = newer and isinstance(theirs, record.Record)
    fixes = _fixes(ours, theirs) if known else []
    notices = _notices(ours, theirs) if known else []
    if args.json:
        say.json_of({
            "installed": ours.version, "newest": version, "newer": newer,
            "fixes": [item._asdict() for item in fixes], "notices": notices,
        })  # fmt: skip
    elif not newer:
        say.line("{} is installed; the newest on the index is {}".format(ours.version, version))
    else:
        _say(ours, version, theirs, fixes, notices)
    return NEWER if newer else 0


def _say(ours, version, theirs, fixes, notices):
    say.line("{} is installed; the index has {}".format(ours.version, version))
    if not isinstance(theirs, record.Record):
        say.line("what it fixes is not known here: {}".format(theirs))
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
    """The version of the newest wheel for an Airflow, and what `_record_in` finds in it."""
    words = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet"]
    words += ["--no-deps", "--only-binary", ":all:", "--dest", folder]
    words += ["astronomer-certified=={}.*".format(base)]
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_PATIENCE,
            # Where nobody else puts code: Python looks for modules there. And what a command says, everybody sees.
            cwd=folder, env=_environ(index_url),
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


def _environ(index_url):
    """What pip has in its environment. A folder is meant from where the caller is."""
    if not index_url:
        return None
    if os.path.isdir(index_url):
        index_url = pathlib.Path(os.path.abspath(index_url)).as_uri()
    return dict(os.environ, PIP_INDEX_URL=index_url)


def _record_in(path):
    """The `Record` in a wheel; a text that says why where there is none to be read."""
    try:
        with zipfile.ZipFile(path) as wheel:
            member = wheel.getinfo(_RECORD)
            if member.flag_bits & _ENCRYPTED:
                return "its release.json is encrypted"
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                return "its release.json is compressed as no wheel is"
            with wheel.open(member) as stream:
                content = stream.read(_LIMIT)
        return record.of(json.loads(content.decode("utf-8"), parse_int=_number))
    except Refused as err:
        return "its {}".format(err)
    except KeyError:
        return "it has no release.json"
    except ValueError:
        return "its release.json is no JSON"
    except Exception as err:
        # What somebody else has made can break archive, compression and JSON in more ways than their modules tell.
        return "its release.json cannot be read ({})".format(type(err).__name__)


def _number(digits):
    """An integer of JSON. Python takes hours for one of a million digits."""
    if len(digits) > _DIGITS:
        raise ValueError
    return int(digits)


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
