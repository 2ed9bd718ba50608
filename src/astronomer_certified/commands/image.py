"""`certified image VERB`: argv -> the context of an image, the image, or where it was pushed to."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from astronomer_certified.errors import UsageError
from astronomer_certified.steps.progress import Quiet
from astronomer_certified.workspace import Workspace

from . import arguments

if TYPE_CHECKING:
    from astronomer_certified.artifacts import Manifest
    from astronomer_certified.release.imaging import Wanted

_REGISTRY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.:-]*(?:/[a-z0-9][a-z0-9._/-]*)?")


def add_to(verbs: Any) -> None:
    """The verbs are among those of the command line."""
    text = "Make the image of a release from its wheels."
    own = verbs.add_parser("image", help=text, description=text)
    image = own.add_subparsers(title="verbs", metavar="VERB", required=True)

    def verb(name: str, act: Callable[..., int], text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = image.add_parser(name, help=text, description=text)
        made.set_defaults(act=act)
        made.add_argument("version", type=arguments.version, metavar="VERSION", help="the upstream version, like 2.1.0")
        made.add_argument("--suite", default="bookworm", help="the Debian release (default: bookworm)")
        made.add_argument("--quiet", action="store_true", help="no progress")
        return made

    build = verb("build", _build, "Make the image and its onbuild variant, with docker, podman or buildah.")
    build.add_argument("--json", action="store_true", help="print the result as JSON")
    context = verb("context", _context, "Write the folder that any builder makes the image from.")
    for made in (build, context):
        made.add_argument("--python", type=arguments.python, metavar="X.Y", help="default: the newest of the release")
        made.add_argument("--base", metavar="IMAGE", help="of a registry, with that Python (default: made here)")
        made.add_argument("--user", default="astro", help="the user of Airflow (default: astro)")
        made.add_argument("--uid", type=int, default=5000, help="its number (default: 5000)")
        made.add_argument(
            "--extras", type=_extras, default=("default",), metavar="A,B", help="of the release (default: default)"
        )
        made.add_argument("--tag", metavar="NAME:TAG", help="what it is called (default: the names of the release)")
    build.add_argument("--builder", metavar="NAME", help="docker, podman or buildah (default: the first that works)")
    push = verb("push", _push, "Push an image, its onbuild variant and their floating tags to a registry.")
    push.add_argument("registry", metavar="REGISTRY", help="like 127.0.0.1:5000/astronomer")
    push.add_argument("--builder", metavar="NAME", help="in whose store it is (default: the first that works)")
    push.add_argument("--plain-http", action="store_true", help="the registry has no TLS")
    push.add_argument(
        "--replace", action="store_true", help="also where the revision's name is another image's already"
    )


def _stated(args: argparse.Namespace) -> tuple[Workspace, Manifest]:
    from astronomer_certified.project import manifest

    workspace = arguments.workspace(args)
    return workspace, manifest.load(workspace, args.version)


def _wanted(args: argparse.Namespace) -> Wanted:
    from astronomer_certified.release.imaging import Wanted

    return Wanted(
        suite=args.suite, base=args.base, python=args.python, user=args.user, uid=args.uid,
        builder=getattr(args, "builder", None), extras=args.extras, name=args.tag,
    )  # fmt: skip


def _extras(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def _build(args: argparse.Namespace, progress: Quiet) -> int:
    from astronomer_certified.release import imaging

    built = imaging.build(*_stated(args), _wanted(args), lambda what: progress.progress("image", what))
    progress.close()
    if args.json:
        print(json.dumps({"builder": built.builder, "names": built.names, "onbuild": built.onbuild}, indent=1))
    else:
        print("\n".join((*built.names, *built.onbuild)))
    return 0


def _context(args: argparse.Namespace, progress: Quiet) -> int:
    from astronomer_certified.release import imaging

    workspace, stated = _stated(args)
    imaging.write_context(workspace, stated, _wanted(args), lambda what: progress.progress("image", what))
    progress.close()
    print(workspace.release_build(stated.release) / "image")
    return 0


def _push(args: argparse.Namespace, progress: Quiet) -> int:
    from astronomer_certified.release import imaging
    from astronomer_certified.release.imaging import Registry, Wanted

    if not _REGISTRY.fullmatch(args.registry):
        raise UsageError(f"{args.registry!r} is no registry", hint="like 127.0.0.1:5000/astronomer, without a scheme")
    registry = Registry(name=args.registry, is_plain=args.plain_http, replaces=args.replace)
    for pushed in imaging.push(*_stated(args), Wanted(suite=args.suite, builder=args.builder), registry):
        progress.progress("push", f"{pushed.name}: {'was there' if pushed.was_there else 'pushed'}")
        print(f"{pushed.name}@{pushed.digest}", flush=True)
    progress.close()
    return 0
