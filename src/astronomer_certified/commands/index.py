"""argv of `certified index …` -> one operation on an index. It parses, calls and prints; `main` alone exits.

An index is a folder: `packages/` with the files and their records, `htpasswd` and `tokens.json` with who may upload.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astronomer_certified.errors import PublishError, UsageError

from . import arguments, serving

if TYPE_CHECKING:
    from astronomer_certified.index.store.store import Store
    from astronomer_certified.steps.progress import Quiet

Act = Callable[[argparse.Namespace, "Quiet"], int]


def add_to(verbs: Any) -> None:
    """`certified index` and its own verbs, and `certified serve`, which is `certified index serve`."""
    serving.add_arguments(
        verbs.add_parser("serve", help="Serve the local index (= index serve).", description=serving.TEXT)
    )
    parser = verbs.add_parser(
        "index", help="Serve and look after an index.", description="Serve and look after an index."
    )
    own = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    serving.add_arguments(own.add_parser("serve", help=serving.TEXT, description=serving.TEXT))

    publish = _verb(
        own, "publish", _publish, "Put wheels and sdists into the index without a server; checked like uploads."
    )
    publish.add_argument("files", nargs="+", type=Path, metavar="FILE")
    yank = _verb(own, "yank", _yank, "Yank a version (PEP 592): only who pins it exactly still gets it.")
    yank.add_argument("project")
    yank.add_argument("version")
    yank.add_argument("--reason", type=arguments.text, default="", help="shown to who installs it all the same")
    yank.add_argument("--undo", action="store_true", help="take the yank back")
    status = _verb(own, "status", _status, "Say what becomes of a project (PEP 792).")
    status.add_argument("project")
    status.add_argument("status", choices=("active", "archived", "deprecated", "quarantined"))
    status.add_argument("--reason", type=arguments.text, default=None)
    text = "Read every file again; withhold what is damaged, serve again what is whole again, correct records."
    _verb(own, "verify", _verify, text)
    _users(own)
    export = _verb(own, "export", _export, "Write the index as static files that any web server can serve.")
    export.add_argument("target", type=Path, metavar="DIR")
    export.add_argument(
        "--url", type=arguments.address, help="where it will be served; for the lines to copy and links to provenance"
    )
    export.add_argument("--listen", default="127.0.0.1:8081", help="for its nginx.conf (default: 127.0.0.1:8081)")
    export.add_argument(
        "--upstream",
        type=arguments.address,
        metavar="URL",
        help="for its nginx.conf: where other people's projects come from",
    )
    export.add_argument("--protect", metavar="NAME", action="append", default=[], help="never from upstream")
    mirror = _verb(own, "mirror", _mirror, "Copy projects from another index into this one, each file checked.")
    mirror.add_argument("url", help="the other index's simple API")
    mirror.add_argument("projects", nargs="+", metavar="PROJECT")
    text = "never from there; like 'acme-*', too. Our own names are protected, and those with files of this index's own"
    mirror.add_argument("--protect", metavar="NAME", action="append", default=[], help=text)
    text = "it is an index of ours: protected names, too, and those with files of this index's own"
    mirror.add_argument("--ours", action="store_true", help=text)
    text = "a private machine that its pages may name; HOST or HOST:PORT"
    mirror.add_argument("--upstream-host", type=arguments.host, metavar="HOST", action="append", default=[], help=text)


def _verb(verbs: Any, name: str, act: Act, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    parser.add_argument(
        "--index", type=Path, metavar="DIR", help="the index (default: the project's, or CERTIFIED_INDEX_DIR)"
    )
    parser.set_defaults(act=act)
    return parser


def _users(own: Any) -> None:
    text = "Say who may upload: users with a password, tokens with a scope and an end."
    users = own.add_parser("users", help=text, description=text)
    deeds = users.add_subparsers(title="verbs", metavar="VERB", required=True)
    add = _verb(
        deeds, "add", _user_add, "Add a user, or change a password; it is read from stdin, or made and printed."
    )
    add.add_argument("name")
    add.add_argument("--scheme", choices=("bcrypt", "argon2"), default="bcrypt")
    _verb(deeds, "remove", _user_remove, "Remove a user and the user's tokens.").add_argument("name")
    _verb(deeds, "list", _user_list, "List users and tokens.")
    token = _verb(deeds, "token", _token, "Make a token and print it, this once. Clients give the user name __token__.")
    token.add_argument("name", help="the token's own name, to revoke it by")
    token.add_argument("--user", required=True, help="who it stands for in the audit log")
    token.add_argument(
        "--project", action="append", metavar="NAME", help="only for this project or pattern (repeatable)"
    )
    token.add_argument("--days", type=arguments.days, default=None, help="how long it is valid (default: for ever)")
    _verb(deeds, "revoke", _revoke, "Revoke a token.").add_argument("name")


# --- acts


# The acts import what they need themselves: no other verb shall wait for the libraries of the index.
def _store(args: argparse.Namespace, *, reading: bool = False) -> Store:
    from astronomer_certified.index.store.store import Store

    return Store.open(arguments.index_folder(args) / "packages", reading=reading)


def _publish(args: argparse.Namespace, progress: Quiet) -> int:
    from astronomer_certified.index.store.audit import Audit, operator
    from astronomer_certified.index.store.incoming import Upload

    store = _store(args)
    for path in args.files:
        try:
            with path.open("rb") as stream:
                new = store.add(Upload(filename=path.name, uploader=operator()), stream)
        except OSError as err:
            raise PublishError(f"{path} cannot be published", details=[str(err)]) from err
        Audit(store).note("uploaded", user=operator(), file=path.name)
        print(f"{path.name}  {'published' if new else 'was there already'}")
    return 0


def _yank(args: argparse.Namespace, progress: Quiet) -> int:
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

    from astronomer_certified.index.store.audit import Audit, operator
    from astronomer_certified.index.store.records import ProjectRecord

    try:
        version = Version(args.version)
    except InvalidVersion as err:
        raise UsageError(f"not a version: {args.version!r}") from err
    reason = None if args.undo else args.reason
    done: list[str] = []

    def change(record: ProjectRecord) -> ProjectRecord:
        for file in record.files:
            # By value: 2.1 and 2.1.0 are one version (PEP 440).
            if Version(file.version) == version:
                done.append(file.filename)
                record = record.holding(replace(file, yanked=reason))
        if not done:
            raise PublishError(
                f"{record.name} {version} is not published here",
                details=[f"there are: {', '.join(dict.fromkeys(file.version for file in record.files))}"],
            )
        return record

    store = _store(args)
    store.change(canonicalize_name(args.project), change)
    for filename in done:
        Audit(store).note("yank undone" if args.undo else "yanked", user=operator(), file=filename, why=reason)
        print(f"{filename}  {'no longer yanked' if args.undo else 'yanked'}")
    return 0


def _status(args: argparse.Namespace, progress: Quiet) -> int:
    from packaging.utils import canonicalize_name

    from astronomer_certified.index.store.audit import Audit, operator
    from astronomer_certified.index.store.records import Status

    store = _store(args)
    status = Status(args.status)
    name = canonicalize_name(args.project)
    store.change(name, lambda record: replace(record, status=status, reason=args.reason))
    Audit(store).note(f"status {status}", user=operator(), project=name, why=args.reason)
    print(f"{name} is {status}")
    return 0


def _verify(args: argparse.Namespace, progress: Quiet) -> int:
    from astronomer_certified.index.store import integrity

    store = _store(args)
    seen: list[str] = []
    progress.started("verify", str(store.root))
    findings = [*integrity.reconcile(store), *integrity.verify(store, seen.append)]
    for finding in findings:
        print(f"{finding.filename}  {'served' if finding.served else 'WITHHELD'}: {finding.what}")
    withheld = [finding.filename for finding in findings if not finding.served]
    print(f"{len(seen)} files read, {len(withheld)} withheld")
    if withheld:
        raise PublishError(
            f"{len(withheld)} files of {store.root} are not as they were published",
            details=withheld[:20],
            hint="copy them back from a backup, or publish the very same bytes again; then verify again",
        )
    return 0


def _user_add(args: argparse.Namespace, progress: Quiet) -> int:
    import secrets

    from astronomer_certified.index.auth.credentials import set_password

    try:
        given = "" if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
        given.encode()  # where the terminal is no UTF-8, its other bytes come through as surrogates
    except UnicodeError as err:
        raise UsageError("the password on stdin is no UTF-8", details=[str(err)]) from err
    password = given or secrets.token_urlsafe(24)
    set_password(arguments.index_folder(args) / "htpasswd", args.name, password, args.scheme)
    _note(args, "user added", args.name)
    print(f"{args.name} may upload" + ("" if given else f" with the password {password}"))
    return 0


def _note(args: argparse.Namespace, deed: str, name: str) -> None:
    from astronomer_certified.index.store.audit import Audit, operator

    Audit(_store(args)).note(deed, user=operator(), name=name)


def _user_remove(args: argparse.Namespace, progress: Quiet) -> int:
    from astronomer_certified.index.auth import tokens
    from astronomer_certified.index.auth.credentials import remove_user, user_names

    folder = arguments.index_folder(args)
    # Tokens first: whoever is not there as a user any more is not looked for again. A machine may have nothing else.
    theirs = [token.name for token in tokens.read(folder / "tokens.json") if token.user == args.name]
    for name in theirs:
        tokens.revoke(folder / "tokens.json", name)
    if not theirs or args.name in user_names(folder / "htpasswd"):
        remove_user(folder / "htpasswd", args.name)
    _note(args, "user removed", args.name)
    print(f"{args.name} may no longer upload")
    return 0


def _user_list(args: argparse.Namespace, progress: Quiet) -> int:
    from astronomer_certified.index.auth import tokens
    from astronomer_certified.index.auth.credentials import user_names

    folder = arguments.index_folder(args)
    for name in user_names(folder / "htpasswd"):
        print(name)
    for token in tokens.read(folder / "tokens.json"):
        ends = datetime.fromtimestamp(token.expires, UTC).strftime("%Y-%m-%d %H:%M UTC") if token.expires else "never"
        over = " (over)" if token.expired else ""
        print(f"{token.user}  token {token.name}: {', '.join(token.projects)}; ends {ends}{over}")
    return 0


def _token(args: argparse.Namespace, progress: Quiet) -> int:
    from astronomer_certified.index.api.fallback import patterns
    from astronomer_certified.index.auth import tokens

    expires = time.time() + args.days * 86400 if args.days is not None else None
    projects = patterns(args.project or ["*"])
    path = arguments.index_folder(args) / "tokens.json"
    text = tokens.issue(path, name=args.name, user=args.user, projects=projects, expires=expires)
    _note(args, "token made", args.name)
    print(text)
    return 0


def _revoke(args: argparse.Namespace, progress: Quiet) -> int:
    from astronomer_certified.index.auth import tokens

    tokens.revoke(arguments.index_folder(args) / "tokens.json", args.name)
    _note(args, "token revoked", args.name)
    print(f"the token {args.name} lets nobody in any more")
    return 0


def _export(args: argparse.Namespace, progress: Quiet) -> int:
    from astronomer_certified.index.api.fallback import patterns
    from astronomer_certified.index.copies import static_files
    from astronomer_certified.index.http.options import PROTECTED

    shown = static_files.Serving(
        listen=args.listen,
        public_url=args.url,
        upstream=args.upstream,
        protected=patterns([*PROTECTED, *args.protect]),
    )
    serving.describe(args, arguments.index_folder(args))
    # Only read: the index may lie where nobody here may write.
    store = _store(args, reading=True)
    result = static_files.write(store, args.target.absolute(), shown)
    print(f"{args.target}: {result.projects} projects, {result.files} files, {result.written} pages and files written")
    if result.withheld:
        raise PublishError(
            f"{len(result.withheld)} things of {store.root} could not be exported; everything else was",
            details=result.withheld[:20],
            hint="certified index verify says more; export again when they are whole",
        )
    return 0


def _mirror(args: argparse.Namespace, progress: Quiet) -> int:
    from packaging.utils import canonicalize_name

    from astronomer_certified.index.api.fallback import patterns
    from astronomer_certified.index.copies import mirror
    from astronomer_certified.index.http.options import PROTECTED

    source = mirror.Source(
        url=args.url,
        hosts=tuple(args.upstream_host),
        protected=None if args.ours else patterns([*PROTECTED, *args.protect]),
    )
    for came in mirror.mirror(_store(args), source, [canonicalize_name(name) for name in args.projects]):
        if isinstance(came, mirror.PassedOver):
            # In ASCII: the name is another index's, and may hold signs that a terminal obeys.
            print(f"{came.filename!a}  passed over: {came.why}")
        else:
            print(f"{came.filename}  {'copied' if came.new else 'was there already'}")
    return 0
