"""Attestations that came with an upload -> the provenance object of the file (PEP 740). Touches nothing.

What is checked here is that each attestation is one, and is about this very file. Whose signature it is, clients
decide: they have the policy, and the certificate is in the attestation.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from astronomer_certified.index.store.validation import Refused

_LONGEST = 1 << 20


def provenance_object(filename: str, sha256: str | None, attestations: str) -> bytes:
    """The JSON to serve; Refused when an attestation is malformed or about another file."""
    # Attestations are compared with this digest, and the store compares it with the bytes.
    if not sha256:
        raise Refused(f"{filename} came with attestations, but without its sha256_digest")
    try:
        if len(attestations) > _LONGEST:
            raise ValueError(f"more than {_LONGEST} characters")
        listed = json.loads(attestations)
        if not isinstance(listed, list) or not listed:
            raise ValueError("not a list of attestations")
        for attestation in listed:
            _check(attestation, filename, sha256.lower())
    # RecursionError: lists in lists in lists, which a megabyte has room for.
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        raise Refused(f"{filename} came with attestations that cannot be kept", details=[str(err)[:300]]) from err
    bundle = {"publisher": {"kind": "certified-index"}, "attestations": listed}
    return json.dumps({"version": 1, "attestation_bundles": [bundle]}, separators=(",", ":")).encode()


def _check(attestation: Any, filename: str, sha256: str) -> None:
    if attestation["version"] != 1:
        raise ValueError("an attestation of another version than 1")
    if not isinstance(attestation["verification_material"]["certificate"], str):
        raise ValueError("no certificate")
    base64.b64decode(attestation["envelope"]["signature"], validate=True)
    statement = json.loads(base64.b64decode(attestation["envelope"]["statement"], validate=True))
    subjects = [(subject["name"], subject["digest"]["sha256"]) for subject in statement["subject"]]
    # PEP 740: one subject, which is this file.
    if subjects != [(filename, sha256)]:
        raise ValueError("an attestation about another file")
