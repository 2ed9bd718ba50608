"""A release that is built -> its image: which wheels, on which base, under which names."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from astronomer_certified.artifacts import Manifest, PinnedFile, Python, Target, Wheel
from astronomer_certified.build import certified_wheel
from astronomer_certified.closure import constraints
from astronomer_certified.closure.constraints import Committed
from astronomer_certified.effects import disk
from astronomer_certified.errors import EnvironmentMissing, PublishError, UsageError
from astronomer_certified.formats.wheel_files import wheel_at
from astronomer_certified.image import builders, context, debian, registries, sbom, suites
from astronomer_certified.image.builders import Builder
from astronomer_certified.image.context import Image, OwnBase, Wheels
from astronomer_certified.image.registries import Known
from astronomer_certified.pythons import interpreters
from astronomer_certified.pythons.pinned_environment import Shelf
from astronomer_certified.source import fetch
from astronomer_certified.workspace import Workspace

DEFAULT_SUITE = "bookworm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What image somebody wants. `base` is that of a registry; without one, it is made here. `python` is by default the
    newest of the release. One that differs in anything but the suite needs a `name` of its own, with a tag."""

    suite: str = DEFAULT_SUITE
    base: str | None = None
    python: Python | None = None
    user: str = "astro"
    uid: int = 5000
    builder: str | None = None
    extras: tuple[str, ...] = ("default",)
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An image that is in the store of its builder, under these names."""

    image: Image
    builder: str
    names: tuple[str, ...]
    onbuild: tuple[str, ...]


def write_context(workspace: Workspace, stated: Manifest, wanted: Wanted, progress: Callable[[str], None]) -> Image:
    """The folder `build/X.Y.Z/image` has all that the image is made of. WorkspaceError where it holds more."""
    _check(stated, wanted)
    with _alone(workspace, stated, progress):
        return _written(workspace, stated, wanted, progress)


@contextlib.contextmanager
def _alone(workspace: Workspace, stated: Manifest, progress: Callable[[str], None]) -> Iterator[None]:
    """A block in which nobody else works on the release; what a killed run left of the folder of an image is gone."""

    def waiting(pid: str) -> None:
        progress(f"waiting for another run of {stated.release.upstream} (process {pid})")

    with disk.lock(workspace.lock(stated.release), waiting):
        disk.sweep(workspace.release_build(stated.release), "image")
        yield


def _written(workspace: Workspace, stated: Manifest, wanted: Wanted, progress: Callable[[str], None]) -> Image:
    """The same for who holds the lock of the release."""
    folder = workspace.release_build(stated.release) / "image"
    context.check_replaceable(folder)
    suite = suites.find(wanted.suite)
    python = wanted.python or stated.pythons[-1]
    wheels = _wheels(workspace, stated, Target(python=python, extras=wanted.extras), progress)
    epoch = stated.core.epoch
    made: str | OwnBase
    if wanted.base is not None:
        made = wanted.base
    else:
        progress(f"base: Debian {suite.name}, kept for the next time")
        log = workspace.logs(stated.release) / "image-base.log"
        waiting = "waiting for process {}, which makes a base".format
        with debian.alone(workspace.cache, lambda pid: progress(waiting(pid))):
            made = OwnBase(
                system=debian.system(suite, workspace.cache, log, epoch),
                python=debian.python(python, suite, workspace.cache, epoch),
                full_version=interpreters.require(python, f"an image with Python {python}").full_version,
            )
    shipped = certified_wheel.payload()["astronomer-certified"].decode()
    image = Image(
        release=stated.release, suite=suite, python=python, base=made, epoch=epoch, user=wanted.user, uid=wanted.uid,
        environment=context.defaults(shipped), extras=wanted.extras, given_name=wanted.name,
    )  # fmt: skip
    pins = (workspace.constraints(stated.release.upstream) / f"constraints-{python}.txt").read_text(encoding="utf-8")
    ours = f"{stated.core.name}=={stated.release.patched}\nastronomer-certified=={stated.release.certified}\n"
    with disk.atomic_folder(folder) as beside:
        context.write(beside, image, wheels, pins + ours, sbom.bill(image, wheels.every))
        # Once more: the wheels and the base may have taken minutes.
        context.check_replaceable(folder)
    return image


def _check(stated: Manifest, wanted: Wanted) -> None:
    """UsageError for what cannot be made, before anything is; and where it would be taken for the release's image."""
    suites.find(wanted.suite)
    context.check_user(wanted.user, wanted.uid)
    context.check_names(wanted.name, wanted.base)
    if wanted.python not in (None, *stated.pythons):
        known = ", ".join(map(str, stated.pythons))
        raise UsageError(f"{stated.release.tag} is not for Python {wanted.python}", hint=f"one of {known}")
    unknown = [extra for extra in wanted.extras if extra not in ("default", *stated.extras)]
    if unknown:
        near = [name for extra in unknown for name in difflib.get_close_matches(extra, stated.extras)]
        raise UsageError(
            f"{stated.release.tag} has no extra {', '.join(unknown)}",
            hint=f"did you mean {', '.join(near)}?" if near else f"{stated.path} has all of them",
        )
    usual = Wanted(python=wanted.python and stated.pythons[-1])
    others = [
        f"--{name}"
        for name in ("base", "python", "user", "uid", "extras")
        if getattr(wanted, name) != getattr(usual, name)
    ]
    if others and wanted.name is None:
        raise UsageError(
            f"an image with another {' and '.join(others)} is not the image of {stated.release.tag}",
            hint="give it a name of its own: --tag NAME:TAG",
        )


def build(workspace: Workspace, stated: Manifest, wanted: Wanted, progress: Callable[[str], None]) -> Built:
    """The image and its onbuild variant are made. CommandFailed when one is not."""
    _check(stated, wanted)
    builder = builders.find(wanted.builder)
    folder = workspace.release_build(stated.release) / "image"
    logs = workspace.logs(stated.release)
    # To the end: the builder reads the folder, and gives names that another run of the release would give as well.
    with _alone(workspace, stated, progress):
        image = _written(workspace, stated, wanted, progress)
        names, onbuild = (image.names(onbuild=onbuild) for onbuild in (False, True))
        progress(f"{builder.name}: {names[0]}")
        builder.build(folder, "Containerfile", names, image.epoch, logs / "image.log")
        progress(f"{builder.name}: {onbuild[0]}")
        builder.build(folder, "Containerfile.onbuild", onbuild, image.epoch, logs / "image-onbuild.log")
        builder.check_onbuild(onbuild[0])
    return Built(image=image, builder=builder.name, names=names, onbuild=onbuild)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Where images are pushed to: host, port and folder as `docker push` takes them; without TLS if it `is_plain`.

    With `replaces`, the name of a revision may come to mean another image there.
    """

    name: str
    is_plain: bool = False
    replaces: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """An image in a registry, under a name with host and folder. `was_there`: it was before, and was not sent."""

    name: str
    digest: str
    was_there: bool


def push(workspace: Workspace, stated: Manifest, wanted: Wanted, registry: Registry) -> Iterator[Pushed]:
    """Each image once it is in the registry: the image, its onbuild variant, and the floating tags of both.

    PublishError, before anything is sent, when the name of the revision is another image's there already; and when the
    registry does not have afterwards what was sent. CommandFailed for an image that is not here, or not taken.
    """
    builder = builders.find(wanted.builder)
    log = workspace.logs(stated.release) / "image-push.log"
    suite = suites.find(wanted.suite)
    made_by = f"certified image build {stated.release.upstream} --suite {suite.name}"
    parcels = []
    for onbuild in (False, True):
        revision, floating = context.names(stated.release, suite, onbuild=onbuild)
        id = builder.id_of(revision, made_by)
        # The floating name of the store may be that of another image: it is given there, to this one.
        parcels += [_parcel(revision, id, name, builder, registry) for name in (revision, floating)]
        found = parcels[-2].there
        if found is not None and not found.is_the(id) and not registry.replaces:
            raise PublishError(
                f"{parcels[-2].destination} is another image already",
                details=[f"there: {found.digest or 'images for many machines'}", f"here: {id}"],
                hint="nothing was pushed; certified bump begins a new revision, --replace gives the name to this image",
            )
    for parcel in parcels:
        yield _delivered(parcel, builder, registry, log)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parcel:
    """An image of the store, by its name and ID there, where it goes, and what is there beforehand."""

    name: str
    id: str
    destination: str
    there: Known | None


def _parcel(name: str, id: str, becomes: str, builder: Builder, registry: Registry) -> _Parcel:
    destination = f"{registry.name.rstrip('/')}/{becomes}"
    there = registries.known(builder, destination, is_plain=registry.is_plain)
    return _Parcel(name=name, id=id, destination=destination, there=there)


def _delivered(parcel: _Parcel, builder: Builder, registry: Registry, log: Path) -> Pushed:
    there = parcel.there
    was_there = there is not None and there.is_the(parcel.id)
    if not was_there:
        builder.push(parcel.name, parcel.destination, log, is_plain=registry.is_plain)
        there = registries.known(builder, parcel.destination, is_plain=registry.is_plain)
    if there is None or there.digest is None or not there.is_the(parcel.id):
        raise PublishError(
            f"{parcel.destination} was pushed, and another image is there now", hint="does somebody else push, too?"
        )
    return Pushed(name=parcel.destination, digest=there.digest, was_there=was_there)


def _wheels(workspace: Workspace, stated: Manifest, target: Target, progress: Callable[[str], None]) -> Wheels:
    """What the image installs: the certified wheel with these extras, and all that it pins, each checked."""
    python = target.python
    dist = workspace.release_dist(stated.release)
    own = [wheel_at(path) for path in sorted(dist.glob("*.whl"))]
    made = _of_this_revision(stated, own)
    interpreter = interpreters.require(python, f"an image with Python {python}")
    shelf = Shelf(
        wheels=(*own, *(wheel_at(path) for path in sorted(workspace.wheelhouse(stated.release).glob("*.whl"))))
    )
    committed = Committed(workspace.constraints(stated.release.upstream), stated.pythons)
    pinned = committed.of(python)
    files: dict[str, PinnedFile] = {
        str(item.source.project): item.source
        for item in constraints.load_files(committed.folder)
        if python in item.pythons and not item.build
    }
    names = sorted(pinned.wanted_by(stated, target))
    found = list(made)
    for number, name in enumerate(names, 1):
        pin = pinned.pins[name]
        if (wheel := shelf.pick(pin, interpreter)) is None:
            if name not in files:
                raise EnvironmentMissing(
                    f"{name} {pin.version} has no wheel for Python {python}",
                    hint=f"certified release {stated.release.upstream} makes it, or says what is missing for that",
                )
            progress(f"wheels: {number}/{len(names)} {files[name].filename}")
            wheel = wheel_at(fetch.fetch(files[name], workspace).path)
        found.append(wheel)
    return Wheels(
        own=tuple(wheel for wheel in found if wheel.path.parent == dist),
        others=tuple(wheel for wheel in found if wheel.path.parent != dist),
    )


def _of_this_revision(stated: Manifest, own: list[Wheel]) -> tuple[Wheel, ...]:
    """The core and the certified wheel. EnvironmentMissing when they are not built, or are of another revision."""
    release = stated.release
    wanted = ((str(stated.core.name), str(release.patched)), ("astronomer-certified", str(release.certified)))
    found = []
    for name, version in wanted:
        start = f"{name.replace('-', '_')}-{version}-"
        wheel = next((wheel for wheel in own if wheel.filename.startswith(start)), None)
        if wheel is None:
            raise EnvironmentMissing(f"{name} {version} is not built", hint=f"certified release {release.upstream}")
        found.append(wheel)
    return tuple(found)
