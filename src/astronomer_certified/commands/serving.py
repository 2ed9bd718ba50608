"""argv of `certified serve` -> an index that is served; and where it answers when nobody says otherwise.

One place for the address, which others tell, and for the options of both `certified serve` and `certified index serve`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from astronomer_certified.errors import UsageError

from . import arguments

if TYPE_CHECKING:
    from astronomer_certified.index.store.integrity import Finding
    from astronomer_certified.steps.progress import Quiet

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080
DEFAULT_SIMPLE_URL = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}/simple/"

TEXT = "Serve an index until SIGTERM or SIGINT; SIGHUP replaces the workers and cuts no download off."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What one may say of a server: for `certified index serve`, and for `certified serve`, which is the same."""
    parser.set_defaults(act=_serve)
    add = parser.add_argument
    add("--index", type=Path, metavar="DIR", help="the index (default: the project's, or CERTIFIED_INDEX_DIR)")
    add("--host", default=DEFAULT_HOST)
    add("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one")
    add("--unix-socket", type=Path, metavar="PATH", help="answer there, for a web server in front; not on a port")
    add("--workers", type=int, default=1, help="processes that answer (default: 1)")
    add(
        "--fallback",
        choices=("redirect", "proxy", "none"),
        default="redirect",
        help="what is done for other people's projects",
    )
    add("--no-fallback", dest="fallback", action="store_const", const="none", help="the same as --fallback none")
    add("--upstream", type=arguments.address, metavar="URL", help="where they come from (default: pip's index)")
    text = "a private machine that upstream's pages may name, with --fallback proxy; HOST or HOST:PORT"
    add("--upstream-host", type=arguments.host, metavar="HOST", action="append", default=[], help=text)
    text = "what may be kept of upstream, with --fallback proxy (default: 20G)"
    add("--upstream-quota", type=arguments.size, default=20 << 30, metavar="SIZE", help=text)
    add("--protect", metavar="NAME", action="append", default=[], help="never from upstream; like 'acme-*', too")
    text = "the index as clients see it; its path is the sub-path behind a proxy"
    add("--public-url", type=arguments.address, metavar="URL", help=text)
    add("--private", action="store_true", help="reading needs a login as well")
    add("--trusted-proxy", type=arguments.client, metavar="ADDRESS", help="whose X-Forwarded-For is believed")
    add(
        "--accel",
        type=arguments.prefix,
        metavar="PREFIX",
        help="let nginx send the files: X-Accel-Redirect to PREFIX and the file name",
    )
    add("--max-upload", type=arguments.size, default=2 << 30, metavar="SIZE", help="like 500M (default: 2G)")
    add("--access-log", type=Path, metavar="FILE", help="one line of JSON for each request")


def _serve(args: argparse.Namespace, progress: Quiet) -> int:
    from astronomer_certified.index.api.fallback import Mode
    from astronomer_certified.index.http.options import PROTECTED, Options, Setup
    from astronomer_certified.index.http.workers import Place, supervise
    from astronomer_certified.index.store.store import Store
    from astronomer_certified.source.index_client import shown_url

    folder = arguments.index_folder(args)
    if args.workers < 1:
        raise UsageError(f"{args.workers} workers cannot answer", hint="--workers 2")
    store = Store.open(folder / "packages", reading=True)
    # A store that nobody can write to is served all the same, without uploads.
    if not store.read_only:
        _ensure_uploader(folder)
    describe(args, folder)
    options = Options(
        mode=Mode(args.fallback),
        public_url=args.public_url,
        accel=args.accel,
        max_upload=args.max_upload,
        access_log=args.access_log.absolute() if args.access_log else None,
        trusted_proxy=args.trusted_proxy,
        private=args.private,
        upstream_quota=args.upstream_quota,
        upstream_hosts=tuple(args.upstream_host),
    )
    # Without the login that the address may hold: clients are redirected there.
    fallback: bool | str = False if args.fallback == "none" else args.upstream or shown_url()
    setup = Setup.of(store.root, folder / "htpasswd", fallback, [*PROTECTED, *args.protect], options)
    place = Place(host=args.host, port=args.port, unix=args.unix_socket.absolute() if args.unix_socket else None)

    def ready(url: str, findings: tuple[Finding, ...]) -> None:
        for finding in findings:
            print(f"certified: {finding.filename}: {finding.what}", file=sys.stderr)
        where = f"{url}simple/" + (f" on {place.unix}" if place.unix else "")
        uploads = "it is read-only" if store.read_only else f"uploads need a user in {setup.credentials}"
        # Flushed, as whoever has started it waits for this line.
        print(f"serving {store.root} at {where}; {uploads}", flush=True)

    supervise(setup, place, workers=args.workers, ready=ready)
    return 0


def _ensure_uploader(folder: Path) -> None:
    """A user who may upload. Made once: whom somebody removed or gave another password to stays as they want it."""
    from astronomer_certified.index.auth.credentials import ensure_credentials, user_names

    htpasswd, secret = folder / "htpasswd", folder / "upload-password"
    if not htpasswd.exists() or not (secret.exists() or "certified" in user_names(htpasswd)):
        ensure_credentials(htpasswd, secret)


def describe(args: argparse.Namespace, folder: Path) -> None:
    """The pages for people show what this project knows of its releases, when the index is the project's own."""
    from astronomer_certified.workspace import Workspace

    root = Path(args.directory).absolute()
    if args.index is None and (root / "patches").is_dir():
        from astronomer_certified.index.api import notes
        from astronomer_certified.index.store.store import Store
        from astronomer_certified.report import release_notes

        notes.write(Store.open(folder / "packages", reading=True), release_notes.of(Workspace.at(root)))
