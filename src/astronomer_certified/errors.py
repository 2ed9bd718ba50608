"""What can go wrong on purpose: one root, one message shape, one hint. Imports nothing."""

from __future__ import annotations

from collections.abc import Iterable


class CertifiedError(Exception):
    """A failure that a person can cause or cure.

    `what` says what failed on which input, `details` are the facts (one line each, shown indented),
    `hint` is the next thing to do. `commands.main` is the only place that prints it and sets the exit status.
    """

    def __init__(self, what: str, *, details: Iterable[str] = (), hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.details = tuple(details)
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.what, *(f"  {line}" for detail in self.details for line in detail.splitlines())]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


class UsageError(CertifiedError):
    """The command line asks for nothing that there is; exit status 2."""


class ManifestError(CertifiedError):
    """A release.toml, distribution.toml or builds.toml does not say what it must."""


class UpstreamError(CertifiedError):
    """An upstream file could not be had."""


class DigestMismatch(UpstreamError):
    """A file's sha256 is not the one in the repository."""


class ArchiveError(CertifiedError):
    """An archive holds something that must not be unpacked."""


class SeriesError(CertifiedError):
    """A patch series is malformed or does not apply exactly."""


class BuildError(CertifiedError):
    """A wheel could not be built."""


class WheelDiffError(CertifiedError):
    """A patched wheel differs from upstream's by more than its series."""


class ConstraintsError(CertifiedError):
    """Committed constraints are missing, stale or contradict the manifest."""


class ResolutionError(ConstraintsError):
    """There is no set of pins that satisfies the manifest as of its cutoff."""


class WheelhouseError(CertifiedError):
    """A wheel that upstream lacks could not be built or fetched."""


class PublishError(CertifiedError):
    """The index did not take a file."""


class InstallError(CertifiedError):
    """A certified install failed or did not run."""


class ProofError(CertifiedError):
    """A proof did not fail on upstream or did not pass on the patched wheel."""


class EnvironmentMissing(CertifiedError):
    """This machine lacks an interpreter, a compiler or a system package."""


class CommandFailed(CertifiedError):
    """A program that a stage ran did not end with status 0."""


class TookTooLong(CommandFailed):
    """A program that a stage ran did not end in its time, and was ended."""


class WorkspaceError(CertifiedError):
    """The working folders cannot be used: not a project, no space, not writable."""
