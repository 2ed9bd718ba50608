"""Manifests + certificates -> the page that shows all releases side by side. Pure: text in, text out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from astronomer_certified.artifacts import Manifest
from astronomer_certified.certify.certificate import Certificate
from astronomer_certified.image.image_certificate import ImageCertificate
from astronomer_certified.project.manifest import PROVIDER_PREFIXES

_NONE = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A release, its certificate and those of its images.

    It is `stale` when there is a certificate that speaks of other inputs, which is not shown. `untried` is what is
    promised of it and its certificate tells nothing of.
    """

    manifest: Manifest
    certificate: Certificate | None = None
    stale: bool = False
    untried: Sequence[str] = ()
    images: Sequence[ImageCertificate] = ()


_INTRO = """\
# The releases

Made by `certified releases` from the manifests in `patches/` and the certificates in `certificates/`; do not edit.
"""
_INSTALLS = """\
## Certified installs

Each is one command of pip, from the index into an empty environment, wheels only. The sha256 of every file that was
installed is one that the release knows, where pip says which files it took (from 22.2 on); older pips check it against
the index's page alone. Then pip's check of the requirements, the database, the list of DAGs, one task, an import of
every provider's hooks, and `/health` of each user interface. Seconds are those of the installation.
"""
_INSTALLERS = """\
## Installers

The one command carried out by pips of the era, pips of today and uv: on one Python of the release by all that run on
it, on the others by the oldest, the newest and uv. The installer's check is clean and Airflow says the right version
afterwards. Seconds are those of the installation, on a machine that did other things, too.
"""
_LEVELS = """\
## Levels

How far each release was certified on each Python ([what the levels are](certification.md)): *quick* are the installs
above; *full* is PostgreSQL with scheduler and webserver, compared with upstream; *services* is Celery with Redis, two
hosts, LDAP and MariaDB, and processes that die. Differences are what upstream does otherwise there, each with the patch
that is the reason; `certified show VERSION` tells them.
"""
_IMAGES = """\
## Images

Each was made from the wheels, run in containers, pushed to a registry and pulled again ([what an image is](image.md)).
MB are millions of bytes: unpacked, and as the registry has the layers. An image whose wheels are not those of the
release's certificate is *stale*. The digest is that of what was tried; one that is made on another day has what Debian
has that day.
"""
_BACKPORTS = """\
## Providers of 1.10

The architecture document lists providers of Airflow 2.0 for 1.10, too. They require Airflow 2.0 and cannot be installed
on 1.10. The extras of these names install what the community made for 1.10: the backported provider where there is one
that fits, and the integration in Airflow's core with its dependencies otherwise. A backported provider is imported from
`airflow.providers`, as in Airflow 2.0. Hooks of the core stay where they are; those of slack and elasticsearch were
written for older client libraries than the backports bring. Each cell says: what the document has, what is installed.
"""


def page(releases: Sequence[Entry]) -> str:
    """The page in Markdown. A release without a certificate, or with one that is stale, is shown as such."""
    manifests = [entry.manifest for entry in releases]
    sections = [
        _INTRO,
        "## What is there\n",
        _table(["release", "Pythons", "as of", "patches", "extras", "certificate"], map(_overview, releases)),
        _INSTALLS,
        _table(["release", "Python", "what was typed", "pip", "checks", "install"], _installs(releases)),
        _INSTALLERS,
        _installers(releases),
        _LEVELS,
        _table(["release", "Python", "level", "checks", "differences", "seconds"], _levels(releases)),
        _IMAGES,
        _table(["image", "Python", "checks", "not done", "MB", "MB sent", "digest"], _images(releases)),
        _BACKPORTS,
        _providers([manifest for manifest in manifests if manifest.documented_providers]),
        "## Extras of upstream that are left out\n",
        _table(["release", "extra", "why"], _left_out(manifests)),
    ]
    return "\n".join(sections)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def _overview(entry: Entry) -> list[str]:
    manifest, certificate = entry.manifest, entry.certificate
    patches = "" if certificate is None else str(len(certificate.core.patches))
    absent = "stale: what went into it has changed" if entry.stale else "none yet"
    gaps = f", not whole: {'; '.join(entry.untried)}" if entry.untried else ""
    return [
        manifest.release.tag,
        ", ".join(map(str, manifest.pythons)),
        f"{manifest.cutoff:%Y-%m-%d}",
        patches,
        str(len(manifest.extras)),
        f"`certificates/certificate-{manifest.release.tag}.json`{gaps}" if certificate else absent,
    ]


def _installs(releases: Iterable[Entry]) -> Iterable[list[str]]:
    for entry in releases:
        if entry.certificate is None:
            continue
        tag = entry.manifest.release.tag
        for install in entry.certificate.installs:
            seconds = [f"{check.seconds} s" for check in install.checks if check.name == "pip install"]
            held = f"{len(install.checks)} hold" if install.checks else "none tried"
            yield [tag, install.python, f"`{install.requirement}`", install.pip, held, *(seconds or [_NONE])]
        for item in entry.certificate.not_done:
            yield [tag, item.python, item.what, "", "not done", ""]


def _installers(releases: Iterable[Entry]) -> str:
    records = {
        f"{entry.manifest.release.tag} on {_minor(tried.python)}": {
            trial.installer: f"{trial.seconds} s" for trial in tried.trials
        }
        for entry in releases
        if entry.certificate is not None
        # `_by_number` reads the word behind a blank.
        for tried in sorted(entry.certificate.installers, key=lambda item: _by_number(f"on {item.python}"))
    }
    names = list(dict.fromkeys(name for seconds in records.values() for name in seconds))
    pips = sorted((name for name in names if name.startswith("pip")), key=_by_number)
    columns = [*pips, *(name for name in names if name not in pips)]
    rows = ([title, *(seconds.get(name, _NONE) for name in columns)] for title, seconds in records.items())
    return _table(["release", *columns], rows)


def _levels(releases: Iterable[Entry]) -> Iterable[list[str]]:
    for entry in releases:
        tag = entry.manifest.release.tag
        if entry.certificate is not None and not entry.certificate.levels:
            yield [tag, "", "none tried", "", "", ""]
        for reached in entry.certificate.levels if entry.certificate else ():
            seconds = f"{sum(check.seconds for check in reached.checks):.0f}"
            held = f"{len(reached.checks)} hold"
            yield [tag, reached.python, reached.level, held, str(len(reached.differences)), seconds]


def _images(releases: Iterable[Entry]) -> Iterable[list[str]]:
    for entry in releases:
        tag = entry.manifest.release.tag
        if not entry.images:
            yield [tag, "", "none yet", "", "", "", ""]
        for image in entry.images:
            name = f"`{image.release}-{image.suite}`"
            if not _has_wheels_of(image, entry.certificate):
                yield [name, image.python, "stale: of other wheels", "", "", "", ""]
                continue
            not_done = "; ".join(f"{item.name}: {item.why}" for item in image.not_done)
            size, sent = (f"{number / 1e6:.0f}" for number in (image.size, image.sent))
            yield [name, image.python, f"{len(image.checks)} hold", not_done, size, sent, f"`{image.digest}`"]


def _has_wheels_of(image: ImageCertificate, certificate: Certificate | None) -> bool:
    if certificate is None:
        return False
    return set(image.wheels.values()) == {certificate.core.sha256, certificate.certified_wheel.sha256}


def _minor(python: str) -> str:
    """`3.8` of `3.8.18`."""
    return ".".join(python.split(".")[:2])


def _by_number(name: str) -> list[int]:
    return [int(part) for part in name.split(" ")[1].split(".")]


def _providers(manifests: Sequence[Manifest]) -> str:
    names = sorted({name for manifest in manifests for name in manifest.documented_providers})
    rows = []
    for name in names:
        cells = [f"`{name}`"]
        for manifest in manifests:
            backport = manifest.providers.get(_backport(name))
            installed = f"backport {backport}" if backport else "in the core"
            cells.append(f"{manifest.documented_providers.get(name, _NONE)} → {installed}")
        rows.append(cells)
    return _table(["extra", *(str(manifest.release.upstream) for manifest in manifests)], rows)


def _backport(name: str) -> Any:
    # The document has names like apache.hdfs, pins have them normalized (PEP 503).
    return (PROVIDER_PREFIXES["backport-providers"] + name).replace(".", "-")


def _left_out(manifests: Iterable[Manifest]) -> Iterable[list[str]]:
    """One row for each set of extras that one release leaves out for one reason."""
    for manifest in manifests:
        reasons: dict[str, list[str]] = {}
        for name, reason in manifest.left_out.items():
            reasons.setdefault(reason, []).append(f"`{name}`")
        for reason, names in reasons.items():
            yield [str(manifest.release.upstream), ", ".join(sorted(names)), reason]
