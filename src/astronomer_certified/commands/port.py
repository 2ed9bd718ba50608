"""`certified patch port`: which patches go from where to where, in which order, and the table of what came of it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from astronomer_certified.artifacts import Distribution
from astronomer_certified.errors import CertifiedError, SeriesError, UsageError
from astronomer_certified.patches.series import names as names_of
from astronomer_certified.patches.series import read
from astronomer_certified.project import catalogue
from astronomer_certified.project.manifest import CORE
from astronomer_certified.steps.progress import Quiet
from astronomer_certified.workbench import checkout, port
from astronomer_certified.workbench.port import Fate, Origin, Ported
from astronomer_certified.workspace import Workspace


def run(args: argparse.Namespace, progress: Quiet, workspace: Workspace) -> int:
    """The exit status: 1 when a conflict waits, a target failed or a proof does not hold."""
    rows: list[Ported] = []
    for ported in _rows(args, workspace):
        rows.append(ported)
        if not args.json:
            # Each at once: what was written stays written when a later target is interrupted.
            print(_row(ported), flush=True)
    progress.close()
    failed = [] if args.no_prove or args.dry_run else _proven(args, progress, workspace, rows)
    if args.json:
        values = [{**asdict(row), "path": str(row.path) if row.path else None} for row in rows]
        print(json.dumps(values, indent=1))
    # A dry run leaves no checkout in which a conflict could wait.
    conflicts = [row for row in rows if row.fate is Fate.CONFLICT and not args.dry_run]
    if conflicts:
        print("certified: conflicts wait for you: resolve them there, git add, then certified patch port --continue",
              file=sys.stderr)  # fmt: skip
    written = dict.fromkeys(row.target for row in rows if row.path is not None and row.fate in port.WRITTEN)
    if written and not args.dry_run:
        words = [f"certified patch lint {' '.join(written)}"]
        words += [f"certified bump {title}" for title in written if "==" not in title]
        print(f"next: {'; '.join([*words, 'make releases-page'])}", file=sys.stderr)
    return 1 if conflicts or failed or any(row.fate is Fate.FAILED for row in rows) else 0


def _rows(args: argparse.Namespace, workspace: Workspace) -> Iterator[Ported]:
    if not (args.go_on or args.abort):
        yield from _ported(args, workspace)
        return
    word = "--continue" if args.go_on else "--abort"
    given = {"NAME": args.name, "--all": args.all, "--from": args.origin, "--as": args.moves, "--dry-run": args.dry_run}
    if senseless := [name for name, value in given.items() if value]:
        raise UsageError(f"{word} takes no {', '.join(senseless)}: it goes by the checkouts in which a port waits")
    folders = [workspace.checkout(title) for title in args.targets] or port.waiting(workspace)
    if not folders:
        raise UsageError("no port waits in checkouts/")
    for folder in folders:
        yield from _ended(args, workspace, folder)


def _ended(args: argparse.Namespace, workspace: Workspace, folder: Path) -> tuple[Ported, ...]:
    """What became of the port that waited in a checkout; others go on when it cannot."""
    waits = checkout.read_state(folder)
    try:
        return port.go_on(workspace, folder) if args.go_on else (port.give_up(folder),)
    except CertifiedError as err:
        print(f"certified: {err}", file=sys.stderr)
        name, origin = waits.port.get("name", "-"), waits.port.get("origin", "-")
        return (Ported(patch=name, origin=origin, target=waits.title, fate=Fate.FAILED, note=err.what),)


def _attempted(args: argparse.Namespace, workspace: Workspace, origin: Origin, target: Distribution) -> Ported:
    """What became of a patch in one version; others go on when it cannot."""
    try:
        return port.port(workspace, replace(origin, moves=dict(args.moves)), target, dry=args.dry_run)
    except CertifiedError as err:
        title = catalogue.title(target)
        print(f"certified: {title}: {err}", file=sys.stderr)
        return Ported(patch=origin.patch.slug, origin=origin.title, target=title, fate=Fate.FAILED, note=err.what)


def _row(ported: Ported) -> str:
    where = f"  {ported.path}" if ported.path else ""
    note = f"  ({ported.note})" if ported.note else ""
    return f"{ported.target:8} {ported.fate:14} {ported.patch} from {ported.origin}{note}{where}"


def _ported(args: argparse.Namespace, workspace: Workspace) -> Iterator[Ported]:
    """What became of each patch in each version, as it becomes known."""
    known = catalogue.everything(workspace)
    targets = [catalogue.named(workspace, title) for title in args.targets]
    if args.name is None:
        yield from _all_ported(args, workspace, known, targets)
        return
    having = _having(args, workspace, known)
    line = [item for item in known if item.name == having[0].distribution.name]
    wanted = _targets(targets, line, having, everywhere=args.all)
    # From the nearest version that has it, which may be one that was ported to a moment ago.
    for target in sorted(wanted, key=lambda item: _distance(line, item, having)):
        origin = min(having, key=lambda item: abs(_at(line, item.distribution) - _at(line, target)))
        ported = _attempted(args, workspace, origin, target)
        yield ported
        written = ported.path is not None and ported.fate in port.WRITTEN
        # Who names an origin wants the patch from there, for every target.
        if written and args.origin is None and (again := port.origin_of(target, origin.patch.slug)) is not None:
            having.append(again)


def _all_ported(
    args: argparse.Namespace, workspace: Workspace, known: Sequence[Distribution], targets: Sequence[Distribution]
) -> Iterator[Ported]:
    """What became of all patches of another version in each target."""
    if not (args.all and targets):
        raise UsageError("name a patch, or say --all --to VERSION for all patches")
    for target in targets:
        for origin in _all_patches(args, workspace, known, target):
            yield _attempted(args, workspace, origin, target)


def _targets(
    named: Sequence[Distribution], line: Sequence[Distribution], having: Sequence[Origin], *, everywhere: bool
) -> list[Distribution]:
    """The versions that a patch is ported to: the named ones and, if `everywhere`, all that do not have it."""
    for target in named:
        _refuse_another(having[0].distribution, target)
    found = list(named)
    if everywhere:
        has_it = [origin.distribution for origin in having]
        found += [item for item in line if item not in found and item not in has_it]
    if not found:
        raise UsageError("say where to: --to VERSION, or --all")
    return found


def _refuse_another(origin: Distribution, target: Distribution) -> None:
    if target.name != origin.name:
        raise UsageError(f"{catalogue.title(target)} is no version of {origin.name}, whose patch it is")


def _at(line: Sequence[Distribution], item: Distribution) -> int:
    return [other.release.upstream for other in line].index(item.release.upstream)


def _distance(line: Sequence[Distribution], item: Distribution, having: Sequence[Origin]) -> int:
    return min(abs(_at(line, item) - _at(line, origin.distribution)) for origin in having)


def _having(args: argparse.Namespace, workspace: Workspace, known: Sequence[Distribution]) -> list[Origin]:
    """Where the named patch is. Raises `SeriesError` when it is nowhere, or means several."""
    places = [catalogue.named(workspace, args.origin)] if args.origin else known
    found = [origin for item in places if (origin := port.origin_of(item, args.name)) is not None]
    if not found:
        raise SeriesError(
            f"no patch is called {args.name}" + (f" in {args.origin}" if args.origin else ""),
            details=sorted({patch.slug for item in places for patch in read(item.folder)})[:20],
            hint="name it as its file without number and ending, or by its CVE id",
        )
    # A CVE may be fixed by several patches, and in several distributions.
    if len({(origin.distribution.name, origin.patch.slug) for origin in found}) > 1:
        raise SeriesError(
            f"{args.name} means several patches",
            details=[f"{origin.title}: {origin.patch.slug}" for origin in found],
            hint="name one of them, or say --from",
        )
    return found


def _all_patches(
    args: argparse.Namespace, workspace: Workspace, known: Sequence[Distribution], target: Distribution
) -> Iterator[Origin]:
    """Every patch of the version that --from names, or of the nearest older one that has patches, else newer."""
    if args.origin:
        chosen = catalogue.named(workspace, args.origin)
        _refuse_another(chosen, target)
    else:
        line = [item for item in known if item.name == target.name and names_of(item.folder) and item != target]
        older = [item for item in line if item.release.upstream < target.release.upstream]
        if not line:
            raise SeriesError(f"no other version of {target.name} has patches")
        chosen = older[-1] if older else line[0]
    for name in names_of(chosen.folder):
        origin = port.origin_of(chosen, name)
        if origin is not None:
            yield origin


def _proven(
    args: argparse.Namespace, progress: Quiet, workspace: Workspace, rows: Sequence[Ported]
) -> list[CertifiedError]:
    """The proofs that do not hold of what was written now."""
    # Here: a dry run, or one without proofs, needs nothing of a release.
    from astronomer_certified.release.operations import Factory

    factory = Factory(workspace=workspace, jobs=args.jobs, watcher=progress)

    failed = []
    for title in dict.fromkeys(row.target for row in rows if row.path and row.fate in port.WRITTEN):
        distribution = catalogue.named(workspace, title)
        proofs = sorted({proof for row in rows if row.target == title and row.path for proof in row.proofs})
        # A repair has no environment for proofs: it is proven with a release that lists it.
        if distribution.name != CORE or not proofs:
            continue
        try:
            receipt = factory.prove(distribution.release.upstream, proofs)
        except CertifiedError as err:
            failed.append(err)
            print(f"certified: {title}: {err}", file=sys.stderr)
            continue
        for item in receipt.not_done:
            print(f"{title}: not proven here: {item.why}; {item.how}", file=sys.stderr)
        for proof in receipt.record.get("results", ()):
            print(f"{title:8} proven         {proof['name']} ({proof['seconds']} s)", file=sys.stderr)
    return failed
