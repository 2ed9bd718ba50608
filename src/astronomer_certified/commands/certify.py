"""The verbs that certify releases and show what was verified: argv -> one operation -> what it found."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from astronomer_certified.artifacts import Python
from astronomer_certified.certify.level import Level, Wanted
from astronomer_certified.effects import machine
from astronomer_certified.errors import EnvironmentMissing, UsageError
from astronomer_certified.steps.progress import Quiet

from . import arguments, release

if TYPE_CHECKING:
    from astronomer_certified.effects.cluster import Cluster
    from astronomer_certified.release.operations import Factory
    from astronomer_certified.steps.receipts import Receipt

# Bytes of memory for a level: both of its sides in operation with their servers took 3 GB.
_LEVEL = 3 << 30


def add_to(verbs: Any) -> None:
    """The verbs are among those of the command line."""
    text = "Make a release and certify it: installed, proven, and in operation beside real servers."
    certify = verbs.add_parser("certify", help=text, description=text)
    certify.set_defaults(act=_certify, verb="certify")
    certify.add_argument("version", type=arguments.version, metavar="VERSION", nargs="?", help="like 2.1.0")
    certify.add_argument("--all", action="store_true", help="every release that patches/ states")
    certify.add_argument(
        "--level", choices=[str(level) for level in Level],
        help="try this level only, and write no certificate",
    )  # fmt: skip
    certify.add_argument("--python", type=_python, metavar="X.Y", help="try this Python only, and write no certificate")
    certify.add_argument(
        "--require-complete", action="store_true", help="fail when this machine could not do all of it"
    )
    certify.add_argument(
        "--scheduler", metavar="ADDRESS", type=arguments.text,
        help="of dask.distributed: the levels above quick are tried by its workers",
    )  # fmt: skip
    certify.add_argument(
        "--index", metavar="URL", type=arguments.text,
        help="where those workers find this project's index, like http://HOST:8080/",
    )  # fmt: skip
    certify.add_argument(
        "--jobs", type=arguments.jobs, default=machine.at_once(_LEVEL),
        help="how much runs at once; by default as much as there are processors and memory for",
    )  # fmt: skip
    certify.add_argument("--quiet", action="store_true", help="no progress")
    certify.add_argument("--json", action="store_true", help="print the result as JSON")
    text = "Show what was verified of a release: its certificate as tables."
    show = verbs.add_parser("show", help=text, description=text)
    show.set_defaults(act=_show, verb="show")
    show.add_argument("version", type=arguments.version, metavar="VERSION", help="like 2.1.0")


def _python(words: str) -> Python:
    try:
        return Python.parse(words)
    except ValueError as err:
        raise argparse.ArgumentTypeError(str(err)) from err


def _certify(args: argparse.Namespace, progress: Quiet) -> int:
    from astronomer_certified.release.operations import Factory

    with _cluster(args) as cluster:
        index = f"{args.index.rstrip('/')}/simple/" if args.index else None
        factory = Factory(
            workspace=arguments.workspace(args), jobs=args.jobs, watcher=progress, cluster=cluster, cluster_index=index
        )
        return _certified(args, progress, factory)


@contextlib.contextmanager
def _cluster(args: argparse.Namespace) -> Iterator[Cluster | None]:
    """The workers that help, if any were named."""
    if args.index and not args.scheduler:
        raise UsageError("--index is for the workers of a --scheduler")
    if not args.scheduler:
        yield None
        return
    from astronomer_certified.effects.cluster import Cluster

    cluster = Cluster(args.scheduler)
    print(f"{cluster.workers()} workers at {args.scheduler}; watch them at {cluster.dashboard}", file=sys.stderr)
    with contextlib.closing(cluster):
        yield cluster


def _certified(args: argparse.Namespace, progress: Quiet, factory: Factory) -> int:
    wanted = Wanted(level=Level(args.level) if args.level else None, python=args.python)
    if args.all == (args.version is not None):
        raise UsageError("name a version to certify, or --all")
    if args.all and not wanted.whole:
        raise UsageError("--level and --python are for one version")
    if not wanted.whole:
        return _tried(args, progress, factory.operate(args.version, wanted))
    if args.all:
        outcomes = factory.certify_all()
        progress.close()
        incomplete = any(outcome.not_done for outcome in outcomes)
        return release.print_outcomes(outcomes, as_json=args.json) or int(args.require_complete and incomplete)
    summary = factory.certify(args.version)
    progress.close()
    release.print_summary(summary, as_json=args.json)
    if args.require_complete and summary.not_done:
        raise EnvironmentMissing(
            f"{summary.release.tag} is not complete: {len(summary.not_done)} things were not done here"
        )
    return 0


def _tried(args: argparse.Namespace, progress: Quiet, receipts: Mapping[str, Receipt]) -> int:
    """What a level saw, or why it could not be tried here."""
    from astronomer_certified.report import certificate_page

    progress.close()
    not_done = [item for receipt in receipts.values() for item in receipt.not_done]
    if args.json:
        values = {name: dict(receipt.record) for name, receipt in receipts.items()}
        print(json.dumps({"tried": values, "not_done": [asdict(item) for item in not_done]}, indent=1))
    else:
        print(certificate_page.tried([receipt.record for receipt in receipts.values()], not_done), end="")
    if args.require_complete and not_done:
        raise EnvironmentMissing(f"{len(not_done)} things were not done here")
    return 0


def _show(args: argparse.Namespace, progress: Quiet) -> int:
    from astronomer_certified.release import showing

    print(showing.certificate_page(arguments.workspace(args), args.version), end="")
    return 0
