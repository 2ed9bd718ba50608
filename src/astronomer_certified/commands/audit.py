"""`certified audit`: what is known of what releases pin beside Airflow, and how old C libraries in wheels are."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from astronomer_certified.errors import UsageError
from astronomer_certified.steps.progress import Quiet
from astronomer_certified.workspace import Workspace

from . import arguments


def add_to(verbs: Any) -> None:
    """The verb is among those of the command line."""
    text = "Show the known vulnerabilities of what releases pin beside Airflow."
    own: argparse.ArgumentParser = verbs.add_parser("audit", help=text, description=text)
    own.set_defaults(act=_audit, verb="audit")
    own.add_argument("versions", nargs="*", type=arguments.version, metavar="VERSION", help="all by default")
    own.add_argument("--python", type=arguments.python, metavar="PYTHON", help="one Python, like 3.8")
    own.add_argument("--constraints", type=Path, metavar="FILE", help="the pins of this file instead")
    own.add_argument(
        "--libraries", action="store_true", help="the C libraries inside of compiled wheels, beside what Debian has now"
    )
    form = own.add_mutually_exclusive_group()
    form.add_argument("--list", action="store_true", help="name each of them")
    form.add_argument("--json", action="store_true", help="print the result as JSON")
    form.add_argument("--page", action="store_true", help="print docs/dependencies.md")


def _audit(args: argparse.Namespace, progress: Quiet) -> int:
    from astronomer_certified.release import auditing

    workspace = arguments.workspace(args)
    if args.libraries:
        return _libraries(args, workspace)
    if args.constraints is not None:
        if args.versions or args.python is None:
            raise UsageError("--constraints takes no VERSION, and needs --python: which of its lines count?")
        found: tuple[auditing.Audit, ...] = (auditing.of_file(workspace, args.constraints, args.python),)
    else:
        found = auditing.audits(workspace, args.versions or workspace.versions(), args.python)
        if not found:
            raise UsageError(f"none of these releases is for Python {args.python}")
    if args.json:
        print(json.dumps(auditing.as_json(found), indent=1))
    elif args.page:
        print(auditing.page(found), end="")
    elif args.list:
        print("\n\n".join(f"{audit.title}, Python {audit.python}\n\n{auditing.listing(audit)}" for audit in found))
    else:
        print(auditing.table(found))
    return 0


def _libraries(args: argparse.Namespace, workspace: Workspace) -> int:
    from astronomer_certified.release import auditing

    if args.versions or args.python or args.constraints or args.list or args.page:
        raise UsageError("--libraries goes with --json only: all releases share the libraries of their wheels")
    found = auditing.libraries(workspace)
    print(json.dumps(auditing.libraries_as_json(found), indent=1) if args.json else auditing.libraries_table(found))
    return 0
