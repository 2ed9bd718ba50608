"""The verbs that certify releases and show what was verified: argv -> one operation -> what it found."""

from __future__ import annotations

import argparse
import os
from typing import Any

from astronomer_certified.artifacts import Python
from astronomer_certified.certify.level import Level, Wanted
from astronomer_certified.errors import EnvironmentMissing, UsageError
from astronomer_certified.steps.progress import Quiet

from . import arguments, release


def add_to(verbs: Any) -> None:
    """The verbs are among those of the command line."""
    text = "Make a release and certify it: installed, proven, and in operation beside real servers."
    certify = verbs.add_parser("certify", help=text, description=text)
    certify.set_defaults(act=_certify, verb="certify")
    certify.add_argument("version", type=arguments.version, metavar="VERSION", nargs="?", help="like 2.1.0")
    certify.add_argument("--all", action="store_true", help="every release that patches/ states")
    certify.add_argument(
        "--level", choices=[str(level) for level in Level],
        help="how far; by default full on each Python and services on the newest, with every installer",
    )  # fmt: skip
    certify.add_argument("--python", type=_python, metavar="X.Y", help="on one Python of the release only")
    certify.add_argument(
        "--require-complete", action="store_true", help="fail when this machine could not do all of it"
    )
    certify.add_argument("--jobs", type=arguments.jobs, default=os.cpu_count() or 1, help="how much runs at once")
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

    factory = Factory(workspace=arguments.workspace(args), jobs=args.jobs, watcher=progress)
    wanted = Wanted(level=Level(args.level) if args.level else None, python=args.python)
    if args.all == (args.version is not None):
        raise UsageError("name a version to certify, or --all")
    if args.all:
        outcomes = factory.certify_all(wanted)
        progress.close()
        incomplete = any(outcome.not_done for outcome in outcomes)
        return release.print_outcomes(outcomes, as_json=args.json) or int(args.require_complete and incomplete)
    summary = factory.certify(args.version, wanted)
    progress.close()
    release.print_summary(summary, as_json=args.json)
    if args.require_complete and summary.not_done:
        raise EnvironmentMissing(
            f"{summary.release.tag} is not complete: {len(summary.not_done)} things were not done here"
        )
    return 0


def _show(args: argparse.Namespace, progress: Quiet) -> int:
    from astronomer_certified.release import operations

    print(operations.certificate_page(arguments.workspace(args), args.version), end="")
    return 0
