"""The verbs that make and show releases: argv -> one operation of the factory -> what it made."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from astronomer_certified.effects import machine
from astronomer_certified.effects.disk import as_workspace_error
from astronomer_certified.errors import EnvironmentMissing, UsageError
from astronomer_certified.steps.progress import Quiet
from astronomer_certified.workspace import Workspace

from . import arguments, not_done
from .serving import DEFAULT_SIMPLE_URL

if TYPE_CHECKING:
    from astronomer_certified.release.operations import Factory, Summary
    from astronomer_certified.release.outcomes import Outcome

Act = Callable[[argparse.Namespace, Quiet], int]


def add_to(verbs: Any) -> None:
    """The verbs are among those of the command line."""

    def verb(name: str, act: Act, text: str) -> argparse.ArgumentParser:
        own: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
        own.set_defaults(act=act, verb=name)
        return own

    def release_verb(name: str, act: Act, text: str, *, json_output: bool = True) -> argparse.ArgumentParser:
        own = verb(name, act, text)
        # These two take `--all` in place of a version.
        nargs = "?" if name in ("release", "build") else None
        own.add_argument(
            "version", type=arguments.version, metavar="VERSION", nargs=nargs, help="the upstream version, like 2.1.0"
        )
        own.add_argument("--jobs", type=arguments.jobs, default=machine.cores(), help="how much runs at once")
        own.add_argument("--quiet", action="store_true", help="no progress")
        if json_output:
            own.add_argument("--json", action="store_true", help="print the result as JSON")
        return own

    release = release_verb("release", _release, "Make, publish, install, run and prove a release.")
    release.add_argument(
        "--require-complete", action="store_true", help="fail when this machine could not do all of it"
    )
    release.add_argument(
        "--every-python", action="store_true", help="install and run the default extra on each Python of the release"
    )
    build = release_verb("build", _build, "Make the patched wheels and the certified wheel.")
    for several in (release, build):
        several.add_argument("--all", action="store_true", help="every release that patches/ states")
    release_verb("wheelhouse", _wheelhouse, "Make the wheels that upstream lacks.")
    release_verb("publish", _publish, "Make a release's wheels and publish them to the local index.")
    prove = release_verb("prove", _prove, "Run proofs on upstream and on the patched wheel.")
    prove.add_argument("names", nargs="*", metavar="NAME", help="a proof or CVE id; all of them by default")
    prove.add_argument("--again", action="store_true", help="run what is known already, too")
    constraints = release_verb(
        "constraints", _constraints, "Resolve a release anew as of its cutoff.", json_output=False
    )
    constraints.add_argument("--output", metavar="DIR", type=Path, help="write there instead of constraints/VERSION")
    _add_prefer(constraints)
    new = verb("new", _new, "Draft the release of an upstream version that is not there yet.")
    new.add_argument("version", type=arguments.version, metavar="VERSION", help="the upstream version, like 2.4.3")
    _add_prefer(new)
    new.add_argument("--no-resolve", action="store_true", help="write the draft only; build and resolve nothing")
    new.add_argument("--jobs", type=arguments.jobs, default=machine.cores(), help="how much runs at once")
    check = verb("check", _check, "Validate manifests, series and constraints without building anything.")
    check.add_argument("versions", nargs="*", type=arguments.version, metavar="VERSION", help="all by default")
    releases = verb("releases", _releases, "Print the page that shows all releases side by side (docs/releases.md).")
    releases.add_argument("--notices", action="store_true", help="print docs/upgrading.md: what operators must look at")


def _add_prefer(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--prefer", metavar="WHERE", type=arguments.text,
        help="a file, folder or address with upstream's own constraints: their pins are tried first, from now on",
    )  # fmt: skip


def _factory(args: argparse.Namespace, progress: Quiet) -> Factory:
    from astronomer_certified.release.operations import Factory

    return Factory(workspace=arguments.workspace(args), jobs=args.jobs, watcher=progress)


def _release(args: argparse.Namespace, progress: Quiet) -> int:
    factory = _factory(args, progress)
    if _all(args):
        return _release_all(args, progress, factory)
    summary = factory.release(_one_version(args), every=args.every_python)
    # Before anything is printed, or the live line would stand in the middle of it.
    progress.close()
    print_summary(summary, as_json=args.json)
    if not args.json:
        _print_install(summary)
    # After the table: what was done is told in any case.
    if args.require_complete and summary.not_done:
        raise EnvironmentMissing(
            f"{summary.release.tag} is not complete: {len(summary.not_done)} things were not done here"
        )
    return 0


def _release_all(args: argparse.Namespace, progress: Quiet, factory: Factory) -> int:
    outcomes = factory.release_all(every=args.every_python)
    progress.close()
    incomplete = [outcome for outcome in outcomes if outcome.not_done]
    return print_outcomes(outcomes, as_json=args.json) or (1 if args.require_complete and incomplete else 0)


def _one_version(args: argparse.Namespace) -> Version:
    version: Version | None = args.version
    if version is None:
        raise UsageError(f"name a version to {args.verb}, or --all")
    return version


def _all(args: argparse.Namespace) -> bool:
    if args.all and args.version is not None:
        raise UsageError(f"{args.verb} {args.version} or --all, not both")
    return bool(args.all)


def print_outcomes(outcomes: Sequence[Outcome], *, as_json: bool) -> int:
    """The table of several releases, to standard output; the exit status: 1 when one of them failed."""
    from astronomer_certified.release.outcomes import table

    if as_json:
        values = [
            {
                "version": outcome.version,
                "error": str(outcome.error) if outcome.error is not None else None,
                "steps": [asdict(timing) for timing in outcome.timings],
                "not_done": [asdict(item) for item in outcome.not_done],
            }
            for outcome in outcomes
        ]
        print(json.dumps(values, indent=1))
    else:
        print(table(outcomes))
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    for outcome in failed:
        # As `main` does, which meets none of them: each ended its own release only.
        error = as_workspace_error(outcome.error) if isinstance(outcome.error, OSError) else outcome.error
        print(f"certified: {outcome.version}: {error}", file=sys.stderr)
    return 1 if failed else 0


def _build(args: argparse.Namespace, progress: Quiet) -> int:
    factory = _factory(args, progress)
    if _all(args):
        outcomes = factory.build_all()
        progress.close()
        return print_outcomes(outcomes, as_json=args.json)
    summary = factory.build(_one_version(args))
    progress.close()
    if args.json:
        print_summary(summary, as_json=True)
    else:
        # The paths and nothing else, so that `wheel=$(certified build 2.1.0)` works.
        print(*(row.file for row in summary.rows), sep="\n")
    return 0


def _wheelhouse(args: argparse.Namespace, progress: Quiet) -> int:
    summary = _factory(args, progress).wheelhouse(args.version)
    progress.close()
    print_summary(summary, as_json=args.json)
    return 0


def _publish(args: argparse.Namespace, progress: Quiet) -> int:
    summary = _factory(args, progress).publish(args.version)
    progress.close()
    print_summary(summary, as_json=args.json)
    return 0


def _prove(args: argparse.Namespace, progress: Quiet) -> int:
    receipt = _factory(args, progress).prove(args.version, args.names, again=args.again)
    progress.close()
    if args.json:
        print(json.dumps({**receipt.record, "not_done": [asdict(item) for item in receipt.not_done]}, indent=1))
        return 0
    for proof in receipt.record.get("results", ()):
        print(
            f"{proof['name']}: {proof['fails_upstream']} tests fail on upstream and pass when patched,"
            f" {proof['passes_both']} pass on both, {proof['seconds']} s"
        )
    for item in receipt.not_done:
        print(f"not done: {item.what}: {item.why}; {item.how}")
    return 0


def _constraints(args: argparse.Namespace, progress: Quiet) -> int:
    factory = _factory(args, progress)
    if args.prefer is not None:
        factory.prefer(args.version, args.prefer)
    folder = args.output or factory.workspace.constraints(args.version)
    paths = factory.constraints(args.version, folder.absolute())
    progress.close()
    print(*paths, sep="\n")
    return 0


def _new(args: argparse.Namespace, progress: Quiet) -> int:
    factory = _factory(args, progress)
    draft = factory.new(args.version, prefer=args.prefer, resolve=not args.no_resolve)
    progress.close()
    path = factory.workspace.manifest(draft.version)
    print(path)
    shown = path.relative_to(factory.workspace.root)
    lines = [decision.told(shown, draft.text) for decision in draft.decisions]
    lines = lines or ["nothing that the tool can see: read it, and write the patches"]
    print("what a human still has to decide:", *(f"- {line}" for line in lines), sep="\n", file=sys.stderr)
    # None: nobody tried, as with `--no-resolve`.
    if draft.builds is False:
        print("certified: the draft does not build yet; what stands in the way is the last of these", file=sys.stderr)
    return 1 if draft.builds is False else 0


def _check(args: argparse.Namespace, progress: Quiet) -> int:
    from astronomer_certified.release import operations

    workspace: Workspace = arguments.workspace(args)
    for version in args.versions or workspace.versions():
        print(operations.check(workspace, version))
    return 0


def _releases(args: argparse.Namespace, progress: Quiet) -> int:
    from astronomer_certified.release import showing

    page = showing.upgrading_page if args.notices else showing.releases_page
    print(page(arguments.workspace(args)), end="")
    return 0


def print_summary(summary: Summary, *, as_json: bool) -> None:
    """What was made, with sizes and sha256, and what was not done here, to standard output."""
    if as_json:
        values: dict[str, Any] = {
            "release": summary.release.tag,
            "files": [{"file": str(row.file), "size": row.size, "sha256": row.sha256} for row in summary.rows],
            "not_done": [asdict(item) for item in summary.not_done],
        }
        print(json.dumps(values, indent=1))
        return
    width = max((len(row.file.name) for row in summary.rows), default=4)
    print(f"{'file':{width}}  {'size':>10}  sha256")
    for row in summary.rows:
        print(f"{row.file.name:{width}}  {row.size:>10}  {row.sha256}")
    if summary.not_done:
        print(f"\nNOT DONE on this machine ({len(summary.not_done)}):")
        print(not_done.told(summary.not_done))


def _print_install(summary: Summary) -> None:
    """The command of a platform user, and whether it was tried here."""
    requirement, python = summary.target.requirement(summary.release), summary.target.python
    tried = f"tried here on Python {python}" if summary.installed else f"NOT tried here: Python {python}, see above"
    print(f"\nInstall it ({tried}; `certified serve` answers at that address):\n")
    print(f"  pip install --index-url {DEFAULT_SIMPLE_URL} '{requirement}'")
