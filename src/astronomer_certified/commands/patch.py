"""`certified patch …`, `certified bump`, `certified changelog`: argv -> one operation -> what it made."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astronomer_certified.effects import machine
from astronomer_certified.errors import UsageError
from astronomer_certified.steps.progress import Quiet
from astronomer_certified.workspace import Workspace

from . import arguments

if TYPE_CHECKING:
    from astronomer_certified.workbench.export import Exported

Act = Callable[[argparse.Namespace, Quiet, Workspace], int]
Verbs = Any  # argparse has no public name for what add_subparsers gives


def _move(text: str) -> tuple[str, str]:
    old, _, new = (part.strip("/") for part in text.partition("="))
    if not old or not new:
        raise argparse.ArgumentTypeError(f"not OLD=NEW: {text!r}")
    return old, new


def add_to(verbs: Verbs) -> None:
    """The verbs of the workbench are among the verbs of the command line."""

    def verb(among: Verbs, name: str, act: Act, text: str) -> argparse.ArgumentParser:
        own: argparse.ArgumentParser = among.add_parser(name, help=text, description=text)
        # The project is looked for when the verb runs, so that `--help` works everywhere.
        own.set_defaults(act=lambda args, progress: act(args, progress, arguments.workspace(args)))
        return own

    own = verb(verbs, "bump", _bump, "Raise the revision of a release, and open the entry in its changelog.")
    own.add_argument("version", type=arguments.version, metavar="VERSION", help="the upstream version, like 2.1.0")
    own.add_argument("--force", action="store_true", help="even if series, overrides and repairs are as they were")
    own = verb(verbs, "changelog", _changelog, "Show what changed since the revision before.")
    own.add_argument("version", type=arguments.version, metavar="VERSION", help="the upstream version, like 2.1.0")
    own.add_argument("--write", action="store_true", help="write it to patches/VERSION/, and record the revision")

    text = "Make, port and keep patches with ordinary git."
    patch = verbs.add_parser("patch", help=text, description=text)
    words = patch.add_subparsers(title="verbs", metavar="VERB", required=True)

    own = verb(words, "checkout", _checkout, "Make a git repository of a source and its series.")
    own.add_argument("title", metavar="VERSION", help="like 2.1.0, or NAME==VERSION for a repair")
    own.add_argument("folder", metavar="DIR", type=Path, nargs="?", help="default: checkouts/VERSION")

    own.add_argument("--partly", action="store_true", help="leave patches that do not apply as files in it")

    own = verb(words, "export", _export, "Write the commits of a checkout back as a series.")
    own.add_argument("folder", metavar="DIR", type=Path, help="what certified patch checkout made, or its VERSION")
    own.add_argument("--json", action="store_true", help="print the result as JSON")

    own = verb(words, "lint", _lint, "Check every patch: header, references, proof, whitespace, exactness, order.")
    own.add_argument("titles", metavar="VERSION", nargs="*", help="like 2.1.0 or NAME==VERSION; all by default")

    own = verb(words, "list", _list, "Show the carry matrix: what each version carries, has, does not need, or lacks.")
    own.add_argument("titles", metavar="VERSION", nargs="*", help="show the patches of these series instead")
    own.add_argument(
        "--cve", metavar="ID", help="only this vulnerability, bug or patch; all vulnerabilities: all; all bugs: bugs"
    )
    form = own.add_mutually_exclusive_group()
    form.add_argument("--count", action="store_true", help="only how many affected pairs are fixed")
    form.add_argument("--json", action="store_true", help="print the result as JSON")
    form.add_argument("--page", action="store_true", help="print docs/carry-matrix.md")
    form.add_argument("--ledger", action="store_true", help="print docs/ledger.md")

    own = verb(words, "port", _port, "Carry a patch over to other versions by a three-way merge.")
    own.add_argument("name", metavar="NAME", nargs="?", help="its name without number, or a CVE id")
    own.add_argument("--from", dest="origin", metavar="VERSION", help="where it is; default: the nearest that has it")
    own.add_argument("--to", dest="targets", action="append", default=[], metavar="VERSION", help="can be repeated")
    own.add_argument("--all", action="store_true", help="to all other versions; without NAME: all patches")
    text = "the target has folder OLD as NEW, like airflow/www=airflow/www_rbac; can be repeated"
    own.add_argument("--as", dest="moves", action="append", default=[], metavar="OLD=NEW", type=_move, help=text)
    end = own.add_mutually_exclusive_group()
    end.add_argument("--continue", dest="go_on", action="store_true", help="the conflicts of a checkout are resolved")
    end.add_argument("--abort", action="store_true", help="give up what waits in a checkout; --to names it")
    own.add_argument("--dry-run", action="store_true", help="only say what would become of it")
    own.add_argument("--no-prove", action="store_true", help="do not run the proofs of what was ported")
    own.add_argument("--jobs", type=arguments.jobs, default=machine.cores(), help="how much runs at once")
    own.add_argument("--json", action="store_true", help="print the result as JSON")


def _bump(args: argparse.Namespace, progress: Quiet, workspace: Workspace) -> int:
    from astronomer_certified.workbench import changelog

    release = changelog.bump(workspace, args.version, force=args.force)
    print(release.tag)
    return 0


def _changelog(args: argparse.Namespace, progress: Quiet, workspace: Workspace) -> int:
    from astronomer_certified.workbench import changelog

    if args.write:
        print(changelog.write(workspace, args.version))
    else:
        print(changelog.section(changelog.load(workspace, args.version)), end="")
    return 0


def _checkout(args: argparse.Namespace, progress: Quiet, workspace: Workspace) -> int:
    from astronomer_certified.project import catalogue
    from astronomer_certified.workbench import checkout, messages

    distribution = catalogue.named(workspace, args.title)
    folder = args.folder or workspace.checkout(catalogue.title(distribution))
    made = checkout.make(workspace, distribution, folder.absolute(), partly=args.partly)
    # On stderr: stdout has the path of the checkout and nothing else.
    for offset in made.offsets:
        print(f"offset: {offset}", file=sys.stderr)
    for patch in made.left:
        author = messages.person(patch.fields, patch.name)
        by = shlex.quote(f"{author.name} <{author.address}>")
        steps = f"git apply --reject {patch.name}, repair, git add, git commit -F {patch.name}.message --author {by}"
        print(f"does not apply: {patch.name}; {steps}", file=sys.stderr)
    print(made.folder)
    return 0


def _export(args: argparse.Namespace, progress: Quiet, workspace: Workspace) -> int:
    from astronomer_certified.workbench import export, missing_fields

    progress.close()
    # A version means its checkout in the usual place.
    usual = workspace.checkout(str(args.folder))
    folder = usual if not args.folder.exists() and usual.is_dir() else args.folder.absolute()
    # Where no human sits nobody is asked, and what is missing is an error.
    done = export.export(workspace, folder, _asked if sys.stdin.isatty() else missing_fields.nobody)
    for line in (*done.lost, *done.hints):
        print(f"certified: {line}", file=sys.stderr)
    if args.json:
        print(json.dumps({**asdict(done), "folder": str(done.folder)}, indent=1))
    else:
        _print_exported(done)
        _print_next(workspace, done)
    return 0


def _print_next(workspace: Workspace, done: Exported) -> None:
    """What an engineer does next, on stderr: stdout has the result."""
    from astronomer_certified.patches import series

    touched = [*done.added, *done.changed]
    if not touched and not done.removed:
        return
    title = "==".join(done.folder.relative_to(workspace.root / "patches").parts)
    proofs = dict.fromkeys(
        proof
        for name in touched
        for proof in series.parse(done.folder / name, (done.folder / name).read_bytes()).proofs
    )
    words = [f"certified patch lint {title}"]
    # A repair has no release of its own to prove or to raise: those that list it have.
    if "==" not in title:
        words += [f"certified prove {title} {' '.join(proofs)}".strip(), f"certified bump {title}"]
    print(f"next: {'; '.join([*words, 'make releases-page'])}", file=sys.stderr)


def _asked(subject: str, field: str, what: str) -> str | None:
    """What the person at the terminal says."""
    # On stderr, so not by input(): stdout has the result, which may be JSON that a program reads.
    print(f"{subject}\n  {field} ({what}): ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() or None


def _print_exported(done: Exported) -> None:
    for word in ("added", "changed", "removed"):
        for name in getattr(done, word):
            print(f"{word:8} {name}")
    count = len(done.unchanged)
    print(f"{done.folder}: {count} {'patch' if count == 1 else 'patches'} unchanged")


def _lint(args: argparse.Namespace, progress: Quiet, workspace: Workspace) -> int:
    from astronomer_certified.project import catalogue
    from astronomer_certified.workbench import lint

    chosen = [catalogue.named(workspace, title) for title in args.titles] or list(catalogue.everything(workspace))
    print(lint.lint(workspace, chosen))
    return 0


def _list(args: argparse.Namespace, progress: Quiet, workspace: Workspace) -> int:
    from astronomer_certified.advisories import ledger, matrix, matrix_page

    if args.titles:
        given = {"--cve": args.cve, "--count": args.count, "--page": args.page, "--ledger": args.ledger}
        if senseless := [name for name, value in given.items() if value]:
            raise UsageError(f"{', '.join(senseless)} shows all series; leave out {' '.join(args.titles)}")
        if args.json:
            print(json.dumps([row for title in args.titles for row in matrix.listed(workspace, title)], indent=1))
        else:
            print("\n".join(matrix.listing(workspace, title) for title in args.titles))
        return 0
    shown = matrix.load(workspace)
    if args.cve:
        shown = shown.chosen(args.cve)
        if not shown.rows:
            raise UsageError(f"neither a patch nor a record of advisories/ or maintenance/: {args.cve}")
    if args.json:
        print(json.dumps(matrix.values(shown), indent=1))
    elif args.ledger:
        print(matrix_page.ledger(shown, ledger.load(workspace)).rstrip("\n"))
    else:
        form = matrix.counts if args.count else matrix_page.page if args.page else matrix.table
        print(form(shown).rstrip("\n"))
    return 0


def _port(args: argparse.Namespace, progress: Quiet, workspace: Workspace) -> int:
    # Here: it imports most of the workbench, which the other verbs do not need.
    from . import port

    return port.run(args, progress, workspace)
