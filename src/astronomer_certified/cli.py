"""The `certified` command: argv -> one operation -> what it made. The only place with exit codes.

stdout carries the product (a table, a path, or JSON), stderr progress and errors. 0: done; 1: a clear refusal;
2: wrong usage; 3: a bug of the tool; 130: interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from . import arguments, index_commands
from .effects import as_workspace_error
from .errors import CertifiedError, EnvironmentMissing, UsageError, WorkspaceError
from .progress import Quiet, watcher
from .workbench import commands as workbench
from .workspace import Workspace

if TYPE_CHECKING:
    from .outcomes import Outcome
    from .pipeline import Summary


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status."""
    args = _parser().parse_args(argv)
    progress = watcher(quiet=getattr(args, "quiet", False))
    try:
        with warnings.catch_warnings():
            # Warnings of build backends and libraries are for their authors; the logs have them.
            warnings.simplefilter("default" if sys.warnoptions else "ignore")
            status: int = args.act(args, progress)
    except (CertifiedError, OSError) as err:
        progress.close()
        error = as_workspace_error(err) if isinstance(err, OSError) else err
        print(f"certified: {error}", file=sys.stderr)
        return 2 if isinstance(err, UsageError) else 1
    except KeyboardInterrupt:
        progress.close()
        print("certified: interrupted; run it again, it goes on where it stopped", file=sys.stderr)
        return 130
    except Exception:
        progress.close()
        return _bug()
    progress.close()
    return status


def _bug() -> int:
    """Not raised on purpose: the traceback goes to a file that can be sent to us."""
    import tempfile
    import traceback

    handle, name = tempfile.mkstemp(prefix="certified-", suffix=".log")
    with os.fdopen(handle, "w") as log:
        log.write(f"argv: {sys.argv}\npython: {sys.version}\n\n{traceback.format_exc()}")
    traceback.print_exc()
    print(f"certified: this is a bug of the tool, not of your input; please report it with {name}", file=sys.stderr)
    return 3


def _workspace(args: argparse.Namespace) -> Workspace:
    root = Path(args.directory).absolute()
    if not (root / "patches").is_dir():
        raise WorkspaceError(
            f"{root} is not a project: it has no patches/", hint="go there, or name it: certified -C DIR …"
        )
    return Workspace.at(root)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="certified", description="The factory of Astronomer Certified.")
    parser.add_argument("-C", dest="directory", default=".", metavar="DIR", help="the project folder (default: here)")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    def verb(name: str, act: Callable[[argparse.Namespace, Quiet], int], text: str) -> argparse.ArgumentParser:
        own = verbs.add_parser(name, help=text, description=text)
        own.set_defaults(act=act, verb=name)
        return own

    def release_verb(
        name: str, act: Callable[[argparse.Namespace, Quiet], int], text: str, *, json_output: bool = True
    ) -> argparse.ArgumentParser:
        own = verb(name, act, text)
        nargs = "?" if name in ("release", "build") else None
        own.add_argument(
            "version", type=arguments.version, metavar="VERSION", nargs=nargs, help="the upstream version, like 2.1.0"
        )
        own.add_argument("--jobs", type=arguments.jobs, default=os.cpu_count() or 1, help="how much runs at once")
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
    new = verb("new", _new, "Draft the release of an upstream version that is not there yet.")
    new.add_argument("version", type=arguments.version, metavar="VERSION", help="the upstream version, like 2.4.3")
    new.add_argument("--no-resolve", action="store_true", help="write the draft only; build and resolve nothing")
    new.add_argument("--jobs", type=arguments.jobs, default=os.cpu_count() or 1, help="how much runs at once")
    check = verb("check", _check, "Validate manifests, series and constraints without building anything.")
    check.add_argument("versions", nargs="*", type=arguments.version, metavar="VERSION", help="all by default")
    verb("releases", _releases, "Print the page that shows all releases side by side (docs/releases.md).")
    workbench.add(verbs, _workspace)
    index_commands.add_to(verbs)
    return parser


def _release(args: argparse.Namespace, progress: Quiet) -> int:
    from . import pipeline

    workspace = _workspace(args)
    if _all(args):
        return _release_all(args, progress, workspace)
    summary = pipeline.release(workspace, _one_version(args), args.jobs, progress, every=args.every_python)
    progress.close()
    _print_summary(summary, as_json=args.json)
    if not args.json:
        simple, wanted = "http://127.0.0.1:8080/simple/", f"astronomer-certified[celery,postgres]=={args.version}.*"
        print("\nInstall it (certified serve answers at that address):\n")
        print(f"  pip install --index-url {simple} '{wanted}'")
    if args.require_complete and summary.not_done:
        raise EnvironmentMissing(
            f"{summary.release.tag} is not complete: {len(summary.not_done)} things were not done here"
        )
    return 0


def _release_all(args: argparse.Namespace, progress: Quiet, workspace: Workspace) -> int:
    from . import pipeline

    outcomes = pipeline.release_all(workspace, args.jobs, progress, every=args.every_python)
    progress.close()
    incomplete = [outcome for outcome in outcomes if outcome.not_done]
    return _print_outcomes(outcomes, as_json=args.json) or (1 if args.require_complete and incomplete else 0)


def _one_version(args: argparse.Namespace) -> Version:
    version: Version | None = args.version
    if version is None:
        raise UsageError(f"name a version to {args.verb}, or --all")
    return version


def _all(args: argparse.Namespace) -> bool:
    if args.all and args.version is not None:
        raise UsageError(f"{args.verb} {args.version} or --all, not both")
    return bool(args.all)


def _print_outcomes(outcomes: Sequence[Outcome], *, as_json: bool) -> int:
    """The exit status: 1 when one of them failed."""
    from .outcomes import table

    if as_json:
        values = [
            {
                "version": outcome.version,
                "error": str(outcome.error) if outcome.error is not None else None,
                "seconds": dict(outcome.seconds),
                "not_done": [asdict(item) for item in outcome.not_done],
            }
            for outcome in outcomes
        ]
        print(json.dumps(values, indent=1))
    else:
        print(table(outcomes))
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    for outcome in failed:
        error = as_workspace_error(outcome.error) if isinstance(outcome.error, OSError) else outcome.error
        print(f"certified: {outcome.version}: {error}", file=sys.stderr)
    return 1 if failed else 0


def _build(args: argparse.Namespace, progress: Quiet) -> int:
    from . import pipeline

    workspace = _workspace(args)
    if _all(args):
        outcomes = pipeline.build_all(workspace, args.jobs, progress)
        progress.close()
        return _print_outcomes(outcomes, as_json=args.json)
    summary = pipeline.build(workspace, _one_version(args), args.jobs, progress)
    _print_files(summary, as_json=args.json)
    return 0


def _wheelhouse(args: argparse.Namespace, progress: Quiet) -> int:
    from . import pipeline

    summary = pipeline.wheelhouse(_workspace(args), args.version, args.jobs, progress)
    progress.close()
    _print_summary(summary, as_json=args.json)
    return 0


def _publish(args: argparse.Namespace, progress: Quiet) -> int:
    from . import pipeline

    summary = pipeline.publish(_workspace(args), args.version, args.jobs, progress)
    progress.close()
    _print_summary(summary, as_json=args.json)
    return 0


def _prove(args: argparse.Namespace, progress: Quiet) -> int:
    from . import pipeline

    receipt = pipeline.prove(_workspace(args), args.version, args.names, args.jobs, progress, again=args.again)
    progress.close()
    if args.json:
        print(json.dumps(dict(receipt.record), indent=1))
        return 0
    for proof in receipt.record.get("proofs", ()):
        print(
            f"{proof['name']}: {proof['fails_upstream']} tests fail on upstream and pass when patched,"
            f" {proof['passes_both']} pass on both, {proof['seconds']} s"
        )
    for item in receipt.record.get("not_done", ()):
        print(f"not done: {item['what']}: {item['why']}; {item['how']}")
    return 0


def _constraints(args: argparse.Namespace, progress: Quiet) -> int:
    from . import pipeline

    workspace = _workspace(args)
    folder = args.output or workspace.constraints(args.version)
    for path in pipeline.make_constraints(workspace, args.version, folder.absolute(), args.jobs, progress):
        print(path)
    return 0


def _new(args: argparse.Namespace, progress: Quiet) -> int:
    from . import pipeline

    workspace = _workspace(args)
    draft = pipeline.new(workspace, args.version, args.jobs, progress, resolve=not args.no_resolve)
    progress.close()
    print(workspace.manifest(args.version))
    lines = draft.decisions or ("nothing that the tool can see: read it, and write the patches",)
    print("what a human still has to decide:", *(f"- {line}" for line in lines), sep="\n", file=sys.stderr)
    return 0


def _check(args: argparse.Namespace, progress: Quiet) -> int:
    from . import pipeline

    workspace = _workspace(args)
    for version in args.versions or workspace.versions():
        print(pipeline.check(workspace, version))
    return 0


def _releases(args: argparse.Namespace, progress: Quiet) -> int:
    from . import pipeline

    print(pipeline.releases_page(_workspace(args)), end="")
    return 0


def _print_files(summary: Summary, *, as_json: bool) -> None:
    if as_json:
        _print_summary(summary, as_json=True)
        return
    for row in summary.rows:
        print(row.file)


def _print_summary(summary: Summary, *, as_json: bool) -> None:
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
        for item in summary.not_done:
            print(f"  {item.what}\n    why: {item.why}\n    how: {item.how}")


if __name__ == "__main__":
    sys.exit(main())
