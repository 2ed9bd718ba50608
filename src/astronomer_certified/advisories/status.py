"""What a release says of one known fault, a vulnerability or a bug: one status, and why."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packaging.version import Version

from astronomer_certified.patches.series import Patch

from .records import Record

_NONE: Mapping[str, str] = {}


class VulnerabilityStatus(enum.StrEnum):
    """The five words. Unknown is what nobody looked at: it is never taken for "not affected"."""

    FIXED = "fixed"
    IN_UPSTREAM = "in upstream"
    NOT_AFFECTED = "not affected"
    AFFECTED = "affected"
    UNKNOWN = "unknown"

    @property
    def is_hit(self) -> bool:
        """Whether upstream's version has the fault, whatever became of it here."""
        return self in (VulnerabilityStatus.FIXED, VulnerabilityStatus.AFFECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A status and its reason: the patches that fix it and their proofs, the upstream version that did, why a version
    is not affected and the lines of its source that show it, or why it is affected still."""

    status: VulnerabilityStatus
    reason: str
    evidence: tuple[str, ...] = ()


UNKNOWN = Statement(status=VulnerabilityStatus.UNKNOWN, reason="no record speaks of this version")


def of(
    record: Record, version: Version, patches: Sequence[Patch], no_longer_fixed: Mapping[str, str] = _NONE
) -> Statement:
    """What a release of an upstream version, which carries these patches, says of a fault. It says itself why
    it has no longer a fix that it had."""
    # First, as what is carried counts, whatever the record says of that version.
    fixing = [patch for patch in patches if record.fixed_by(patch)]
    if fixing:
        return fixed(fixing)
    if given_up := next((no_longer_fixed[id] for id in (record.id, *record.aliases) if id in no_longer_fixed), None):
        return Statement(status=VulnerabilityStatus.AFFECTED, reason=f"no longer fixed: {given_up}")
    if version in record.versions:
        reason = record.left_open.get(version, "no patch yet")
        return Statement(status=VulnerabilityStatus.AFFECTED, reason=reason)
    if (reasoned := record.not_affected.get(version)) is not None:
        return Statement(
            status=VulnerabilityStatus.NOT_AFFECTED, reason=reasoned.why, evidence=reasoned.evidence_of(version)
        )
    # After the affected ones: a fix in an older line says nothing of a newer version that lacks it.
    if since := [known for known in record.fixed_in if known <= version]:
        return Statement(status=VulnerabilityStatus.IN_UPSTREAM, reason=f"since {min(since)}")
    return UNKNOWN


def fixed(patches: Sequence[Patch]) -> Statement:
    """What a release says that carries patches which fix something."""
    proofs = dict.fromkeys(proof for patch in patches for proof in patch.proofs or (patch.fields["Proof"].strip(),))
    return Statement(
        status=VulnerabilityStatus.FIXED,
        reason=", ".join(dict.fromkeys(patch.slug for patch in patches)),
        evidence=tuple(proofs),
    )
