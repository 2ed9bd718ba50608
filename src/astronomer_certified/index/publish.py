"""Wheels and sdists -> published files on an index, each seen there with our sha256. Talks HTTP; runs twine.

Publishing twice is the same as publishing once: what the index has with the same bytes is left alone.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from packaging.utils import NormalizedName

from astronomer_certified.errors import PublishError
from astronomer_certified.index.auth.credentials import Credentials
from astronomer_certified.index.store import validation

if TYPE_CHECKING:
    import requests

# Seconds to connect, and between two packets.
_TIMEOUT = (10, 60)

# What an index says of a project that it does not have; a redirect leads to its fallback.
_NOT_HERE = (301, 302, 303, 307, 308, 404)

# What a person may have exported for uploads of their own; certificates stay.
_TWINE_OWN = frozenset(
    f"TWINE_{key}" for key in ("USERNAME", "PASSWORD", "REPOSITORY", "REPOSITORY_URL", "NON_INTERACTIVE")
)

_STYLE = re.compile(r"\x1b\[[0-9;]*m")


class Finished(Protocol):
    """What `run` must return, whatever the status: subprocess.CompletedProcess[str] is one."""

    @property
    def returncode(self) -> int:
        """The exit status."""

    @property
    def stdout(self) -> str:
        """What it printed."""

    @property
    def stderr(self) -> str:
        """What it said of its work."""


class Run(Protocol):
    """How twine is started: with exactly this environment, output captured; the status is ours to judge."""

    def __call__(self, argv: Sequence[str], *, env: Mapping[str, str]) -> Finished:
        """The finished process, whatever its status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile:
    """A file of an index. `uploaded` says whether this run put it there."""

    filename: str
    sha256: str
    size: int
    uploaded: bool


@dataclass(frozen=True, slots=True)
class _Done:
    """What a run of twine with nothing to do would have been."""

    returncode: int = 0
    stdout: str = ""
    stderr: str = ""


_DONE = _Done()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    path: Path
    project: NormalizedName
    file: PublishedFile


def publish(
    files: Sequence[Path],
    url: str,
    credentials: Credentials,
    *,
    run: Run,
    foreign: bool = False,
) -> tuple[PublishedFile, ...]:
    """The published files, in the order of `files`, once the index at the root `url` serves all of them.

    What is not there yet is checked with `twine check --strict` and uploaded in one go. `foreign` files are other
    people's: how their descriptions render is not for us to judge, and the index checks the rest.
    PublishError when the index has other bytes under a name, cannot be reached or does not let us in.
    """
    import requests  # Here and not above: it costs 0.1 s, which a run with nothing to publish need not pay.

    root = url.removesuffix("/").removesuffix("/simple") + "/"
    candidates = tuple(map(_candidate, files))
    _refuse_duplicates(candidates)
    with requests.Session() as session:
        # Also to look: a private index wants a login of readers, too.
        session.auth = (credentials.user, credentials.password)
        missing = _missing(candidates, _served(session, root, candidates))
        if missing and not foreign:
            _check(missing, run=run)
        if missing:
            old = [candidate for candidate in missing if foreign and not _known_to_twine(candidate)]
            for candidate in old:
                _post(session, root, candidate)
            rest = [candidate for candidate in missing if candidate not in old]
            finished = _upload(rest, root, credentials, run=run) if rest else _DONE
            # Asked even after a failure: the other bytes of a lost race explain it better than twine can.
            still_missing = _missing(missing, _served(session, root, missing))
            _refuse_unfinished(still_missing, finished, root, credentials)
    uploaded = {candidate.file.filename for candidate in missing}
    return tuple(replace(c.file, uploaded=c.file.filename in uploaded) for c in candidates)


def _candidate(path: Path) -> _Candidate:
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            size = os.fstat(file.fileno()).st_size
    except OSError as err:
        raise PublishError(f"{path} cannot be read", details=[str(err)], hint="build it before publishing it") from err
    published = PublishedFile(filename=path.name, sha256=sha256, size=size, uploaded=False)
    return _Candidate(path=path, project=validation.parse(path.name).project, file=published)


def _refuse_duplicates(candidates: Iterable[_Candidate]) -> None:
    seen: dict[str, _Candidate] = {}
    for candidate in candidates:
        other = seen.setdefault(candidate.file.filename, candidate)
        if other is not candidate:
            raise PublishError(
                f"{candidate.file.filename} is to be published twice",
                details=[str(other.path), str(candidate.path)],
            )


def _served(session: requests.Session, root: str, candidates: Iterable[_Candidate]) -> dict[str, str | None]:
    """The sha256 by filename (None: the page has none) of all that the index has of their projects."""
    served: dict[str, str | None] = {}
    for project in sorted({candidate.project for candidate in candidates}):
        served |= _project_files(session, root, project)
    return served


def _project_files(session: requests.Session, root: str, project: NormalizedName) -> dict[str, str | None]:
    import requests
    from pypi_simple import ProjectPage

    page = f"{root}simple/{project}/"
    try:
        # No redirects: what a fallback has under our name is not what we publish.
        response = session.get(page, timeout=_TIMEOUT, allow_redirects=False)
    except requests.RequestException as err:
        raise PublishError(
            f"the index {root} cannot be reached", details=[str(err)], hint="start it, or correct its URL"
        ) from err
    if response.status_code in _NOT_HERE:
        return {}
    if response.status_code != requests.codes.ok:
        raise PublishError(
            f"the index {root} does not show its files of {project}",
            details=[f"{page} answered {response.status_code} {response.reason}"],
        )
    packages = ProjectPage.from_html(project, response.text, base_url=page).packages
    return {package.filename: package.digests.get("sha256") for package in packages}


def _missing(candidates: Iterable[_Candidate], served: Mapping[str, str | None]) -> tuple[_Candidate, ...]:
    """The candidates that the index does not have; PublishError when it has one with other bytes."""
    missing = []
    for candidate in candidates:
        file = candidate.file
        if file.filename not in served:
            missing.append(candidate)
        elif served[file.filename] != file.sha256:
            raise PublishError(
                f"{file.filename} is published already, with other bytes",
                details=[
                    f"published sha256 {served[file.filename] or 'not shown by the index'}",
                    f"ours      sha256 {file.sha256}",
                ],
                hint="a published file never changes: raise the revision in the manifest",
            )
    return tuple(missing)


def _check(candidates: Iterable[_Candidate], *, run: Run) -> None:
    argv = ["check", "--strict", *(str(candidate.path) for candidate in candidates)]
    finished = _twine(argv, run=run, env={})
    if finished.returncode:
        raise PublishError(
            "twine check did not pass, so nothing was uploaded",
            details=_said(finished),
            hint="correct the metadata and build again",
        )


def _upload(candidates: Iterable[_Candidate], root: str, credentials: Credentials, *, run: Run) -> Finished:
    argv = [
        "upload",
        "--non-interactive",
        "--disable-progress-bar",
        *("--config-file", os.devnull),  # A ~/.pypirc must not decide where a release goes.
        *("--repository-url", root),
        *(str(candidate.path) for candidate in candidates),
    ]
    # In the environment, not in argv, which every user of the machine can read.
    login = {"TWINE_USERNAME": credentials.user, "TWINE_PASSWORD": credentials.password}
    return _twine(argv, run=run, env=login)


def _known_to_twine(candidate: _Candidate) -> bool:
    """Whether it is twine's to upload, or to refuse: all but wheels of versions of metadata that were never
    standardised, like 2.0, which twine refuses and the index takes."""
    from packaging.metadata import Metadata

    try:
        with zipfile.ZipFile(candidate.path) as wheel:
            [name] = [name for name in wheel.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
            text = wheel.read(name)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, ValueError):
        return True  # an sdist, or no sound wheel: twine says why better than we could
    try:
        Metadata.from_email(text, validate=False).metadata_version  # noqa: B018 - reading it validates it
    except ValueError:
        return False
    return True


def _post(session: requests.Session, root: str, candidate: _Candidate) -> None:
    """An upload as the upload API of the index wants it, for files that are too old for twine.

    Whether the index took it is seen on its page afterwards, as with twine.
    """
    project, version = candidate.path.name.split("-")[:2]
    fields = {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.1",
        "name": project,
        "version": version,
        "filetype": "bdist_wheel",
        "pyversion": candidate.path.name.split("-")[-3],
        "sha256_digest": candidate.file.sha256,
    }
    with candidate.path.open("rb") as stream:
        session.post(root, data=fields, files={"content": (candidate.path.name, stream)}, timeout=_TIMEOUT)


def _refuse_unfinished(missing: Iterable[_Candidate], finished: Finished, root: str, credentials: Credentials) -> None:
    names = [candidate.file.filename for candidate in missing]
    if not names:
        return
    # What comes before twine's own error is a list of what it uploaded.
    said = list(dropwhile(lambda line: not line.startswith("ERROR"), _said(finished))) or _said(finished)
    if any(f"HTTPError: {status} " in line for line in said for status in (401, 403)):
        raise PublishError(
            f"the index {root} does not let {credentials.user} upload",
            details=said,
            hint="correct the password in the secret file, or the user in the index's htpasswd file",
        )
    raise PublishError(
        f"the index {root} did not take {', '.join(names)}",
        details=said,
        hint="publish again when the cause is gone: what was taken is not uploaded twice",
    )


def _twine(argv: Iterable[str], *, run: Run, env: Mapping[str, str]) -> Finished:
    # The environment carries proxies and certificates, but no login or repository of somebody's own.
    ambient = {key: value for key, value in os.environ.items() if key not in _TWINE_OWN}
    plain = {
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "NO_COLOR": "1",
        "TERM": "xterm",  # rich wraps at COLUMNS, but on a dumb terminal at 80, in the midst of file names
        "COLUMNS": "1000",
    }
    return run([sys.executable, "-m", "twine", *argv], env={**ambient, **plain, **env})


def _said(finished: Finished) -> list[str]:
    # twine takes everything for a terminal and writes bold text even with NO_COLOR.
    plain = _STYLE.sub("", f"{finished.stdout}\n{finished.stderr}")
    return [line.strip() for line in plain.splitlines() if line.strip()]
