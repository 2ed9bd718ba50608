"""What patches/ holds, by the names that people use: `2.1.0` for a core, `NAME==VERSION` for a repair."""

from __future__ import annotations

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from astronomer_certified.artifacts import Distribution
from astronomer_certified.errors import UsageError
from astronomer_certified.workspace import Workspace

from . import manifest


def named(workspace: Workspace, text: str) -> Distribution:
    """The distribution called `2.1.0` (the core) or `NAME==VERSION` (a repair).

    Raises `UsageError` for what is neither, `ManifestError` for what patches/ does not state.
    """
    try:
        if "==" not in text:
            return manifest.load(workspace, Version(text)).core
        requirement = Requirement(text)
        # Exactly that, and nothing beside it that would be read and thrown away.
        [pinned] = requirement.specifier
        if text.partition(";")[0] != text or requirement.extras or pinned.operator != "==":
            raise ValueError
        version = Version(pinned.version)
    except ValueError as err:  # InvalidVersion and InvalidRequirement are ValueErrors, too
        raise UsageError(f"neither a version like 2.1.0 nor NAME==VERSION: {text!r}") from err
    return manifest.load_distribution(workspace.distribution(canonicalize_name(requirement.name), version))


def title(distribution: Distribution) -> str:
    """The name by which `named` finds a distribution again."""
    version = distribution.release.upstream
    return str(version) if distribution.name == manifest.CORE else f"{distribution.name}=={version}"


def everything(workspace: Workspace) -> tuple[Distribution, ...]:
    """Every distribution that patches/ states: the cores by version, then the repairs. Raises `ManifestError`."""
    # Also repairs that no release lists: lint looks at them, too.
    folder = workspace.root / "patches"
    repairs = sorted(folder.glob("*/*/distribution.toml"))
    return (
        *(manifest.load(workspace, version).core for version in workspace.versions()),
        *(manifest.load_distribution(path) for path in repairs),
    )
