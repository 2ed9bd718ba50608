"""What a project has -> its pages: certificates, all releases side by side, what operators must look at."""

from __future__ import annotations

from packaging.version import Version

from astronomer_certified.artifacts import Manifest
from astronomer_certified.errors import ManifestError
from astronomer_certified.project import manifest, revisions
from astronomer_certified.workspace import Workspace


def certificate_page(workspace: Workspace, version: Version) -> str:
    """What was verified of a release, as tables: by its last run here, or as the project keeps it where that says more.

    Raises `ManifestError` when neither is there, and for one of another release.
    """
    from astronomer_certified.report import certificate_page as page
    from astronomer_certified.report import current

    stated = manifest.load(workspace, version)
    release = stated.release
    found = current.found(workspace, stated)
    if found is None:
        raise ManifestError(f"{release.tag} has no certificate", hint=f"make one: certified certify {version}")
    return page.page(found)


def releases_page(workspace: Workspace) -> str:
    """All releases side by side, in Markdown: what each has, how it was certified, what it leaves out."""
    from astronomer_certified.certify import certificate
    from astronomer_certified.image import image_certificate
    from astronomer_certified.report import current, release_page

    def entry(stated: Manifest) -> release_page.Entry:
        found = certificate.kept(workspace, stated.release)
        stale = found is not None and not current.is_current(workspace, stated, found)
        images = image_certificate.kept(workspace, stated.release)
        if found is None or stale:
            return release_page.Entry(manifest=stated, stale=stale, images=images)
        untried = certificate.untried(found, stated)
        return release_page.Entry(manifest=stated, certificate=found, untried=untried, images=images)

    return release_page.page([entry(manifest.load(workspace, version)) for version in workspace.versions()])


def upgrading_page(workspace: Workspace) -> str:
    """What operators must look at when they upgrade, for each release, in Markdown."""
    from astronomer_certified.patches.series import Carried
    from astronomer_certified.report import upgrading_page

    def entry(stated: Manifest) -> upgrading_page.Entry:
        known = revisions.read(revisions.path_of(stated))
        patches = Carried(stated.distributions).every()
        return upgrading_page.Entry(
            manifest=stated, patches=patches, revisions=sorted(known, key=lambda item: item.number)
        )

    return upgrading_page.page([entry(manifest.load(workspace, version)) for version in workspace.versions()])
