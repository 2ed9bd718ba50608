"""A draft that did not build, and the error that says why -> the draft without what stood in the way.

Only where that is clear, and each time with one more decision of which a human is told. Pure.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from packaging.utils import canonicalize_name

from astronomer_certified.errors import CertifiedError, ResolutionError, WheelDiffError
from astronomer_certified.project.manifest import PROVIDER_PREFIXES

from .drafts import Decision, Draft, array, day, key

_LOST = re.compile(r"missing: (\S+)$|changed: (\S+) \(empty, ")

# An extra of the core that stands in the way itself; those of ours are named in every chain of reasons.
_EXTRA_NAMED = re.compile(r"apache-airflow\[([^\]]+)\]\S* depends on")

# How uv begins what it says of metadata that it cannot read.
_SPOILED = re.compile(r"Metadata for `([\w.-]+)` \(v([^)]+)\) could not be parsed")

# How uv begins what it says of a source whose metadata it could not make.
_UNBUILT = re.compile(r"Failed to (?:download and )?build `([\w.-]+)==")

# A pin that the resolver takes and pip does not, and the newest that pip does.
_FOR_OTHERS = re.compile(r"(?P<name>\S+) (?P<version>\S+) is for Python [^;]+; (?P<instead>\S+) is for (?P<python>\S+)")

# A Python that is asked for from a patch release on: 3.8.1 by what is not for 3.8.0.
_PATCH_RELEASE = re.compile(r"does not satisfy Python>=(3\.\d+)\.(\d+)\b")

# Of the resolver's reasons, which go on for a hundred lines where a project has many versions: the first, that name the
# culprit, and the last, that name who asks for it.
_FIRST, _LAST = 3, 2


def after(draft: Draft, error: CertifiedError) -> Draft | None:
    """The draft changed so that it does not fail like this again; None where only a human knows how."""
    if isinstance(error, WheelDiffError):
        text = restoring(draft.text, error.details)
        return replace(draft, text=text) if text is not None else None
    if isinstance(error, ResolutionError):
        for attempt in (taking_later, beginning_later, leaving_out, stepping_back, overriding):
            if (better := attempt(draft, error.details)) is not None:
                return better
    return None


def unsolved(error: CertifiedError) -> Decision:
    """What a human must decide of an error that `after` knows no way around."""
    hint = (error.hint,) if error.hint else ()
    if isinstance(error, ResolutionError):
        return Decision(what=error.what, why=(*_shortened(error.details), *hint), line="pythons =")
    # A matter of another file than the draft, as the toolchain, which all releases share.
    return Decision(what=error.what, why=(*error.details, *hint))


def restoring(text: str, differences: Sequence[str]) -> str | None:
    """The draft with a [[restore]] for each file that the wheel diff gate misses; None when it found more than that.

    `differences` are the details of a `WheelDiffError`.
    """
    paths = []
    for line in differences:
        if (match := _LOST.match(line)) is None:
            return None
        paths.append(match[1] or match[2])
    if any(f'path = "{path}"' in text for path in paths):
        return None  # a [[restore]] does not help against what is lost
    entries = (f'[[restore]]\npath = "{path}"\nreason = "the build loses it"\n\n' for path in paths)
    return text.replace("[providers]\n", "".join(entries) + "[providers]\n", 1)


def taking_later(draft: Draft, reasons: Sequence[str]) -> Draft | None:
    """The draft with a later cutoff for a project whose versions of that time have metadata that cannot be read.

    None when there is no such project, or when that did not help. `reasons` are the details of a `ResolutionError`, as
    in all that follow.
    """
    stated = tomllib.loads(draft.text)
    later = {canonicalize_name(entry["package"]) for entry in stated.get("later", ())}
    spoiled = next((match for line in reasons if (match := _SPOILED.search(line))), None)
    if spoiled is None or canonicalize_name(spoiled[1]) in later:
        return None
    name = spoiled[1]
    why = f"{name} {spoiled[2]}, the newest of that time, has metadata that no tool of today reads"
    entry = f'[[later]]\npackage = "{name}"\ncutoff = {day(stated["listed"])}\nreason = "{why}"\n\n'
    text = draft.text.replace("[providers]\n", f"{entry}[providers]\n", 1)
    what = f"{why}: the newest that is allowed is taken instead; set the date to when the one you want was there"
    return _decided(draft, text, Decision(what=what, line=f'package = "{name}"'))


def beginning_later(draft: Draft, reasons: Sequence[str]) -> Draft | None:
    """The draft for a Python from the patch release on that what upstream requires is for; None when that is not it."""
    stated = tomllib.loads(draft.text)
    begun = stated.get("first-patch-release", {})
    for line in reasons:
        found = _PATCH_RELEASE.search(line)
        if found is not None and found[1] in stated["pythons"] and found[1] not in begun:
            entry = f'"{found[1]}" = {found[2]}'
            if begun:
                text = draft.text.replace("[first-patch-release]\n", f"[first-patch-release]\n{entry}\n", 1)
            else:
                text = draft.text.replace("[providers]\n", f"[first-patch-release]\n{entry}\n\n[providers]\n", 1)
            what = f"Python {found[1]} counts from {found[1]}.{found[2]} on: what upstream requires is not for others"
            return _decided(draft, text, Decision(what=what, line=entry, why=_shortened(reasons)))
    return None


def leaving_out(draft: Draft, reasons: Sequence[str]) -> Draft | None:
    """The draft without an extra that the resolver could not satisfy; None when it names none that can be spared.

    Default extras are never left out: those a human must rescue.
    """
    stated = tomllib.loads(draft.text)
    spare = {canonicalize_name(name): name for name in stated["extras"] if name not in stated["default-extras"]}
    named = [canonicalize_name(name) for line in reasons for name in _EXTRA_NAMED.findall(line)]
    # The resolver went as far back as to a version that nothing can be learnt of; it does not say for whom.
    unbuilt = [canonicalize_name(name) for line in reasons for name in _UNBUILT.findall(line)]
    for project in unbuilt:
        # Also the extra of its provider, and those that only gather others.
        asked = (project, canonicalize_name(PROVIDER_PREFIXES["providers"] + project))
        named += [project, *(canonicalize_name(extra) for name in asked for extra in draft.asking.get(name, ()))]
    culprit = next((spare[name] for name in named if name in spare), None)
    if culprit is None:
        return None
    extras = [name for name in stated["extras"] if name != culprit]
    text = re.sub(r"^extras = \[.*?\]$", lambda _: f"extras = {array(extras)}", draft.text, count=1, flags=re.M | re.S)
    why = f"no solution with it as of {stated['cutoff']:%Y-%m-%d}"
    text = text.replace("[left-out]\n", f'[left-out]\n{key(culprit)} = "{why}"\n', 1)
    what = f"the extra {culprit} is left out: {why}; repair what is in the way, or keep it out"
    return _decided(draft, text, Decision(what=what, line=f'{key(culprit)} = "{why}"', why=_shortened(reasons)))


def stepping_back(draft: Draft, reasons: Sequence[str]) -> Draft | None:
    """The draft with the version before of a provider that stands in the way; None when it is none, or has none."""
    pinned = tomllib.loads(draft.text)["providers"]
    for extra, older in draft.older.items():
        name = canonicalize_name(PROVIDER_PREFIXES["providers"] + extra)
        blamed = re.compile(rf"\b{re.escape(name)}[=>]={re.escape(str(pinned[extra]))} depends on")
        if older and any(blamed.search(line) for line in reasons):
            line = f'{key(extra)} = "{older[0]}"'
            text = draft.text.replace(f'\n{key(extra)} = "{pinned[extra]}"\n', f"\n{line}\n", 1)
            decision = Decision(
                what=f"{name} {older[0]}, as {pinned[extra]} has no solution on all Pythons", line=line,
                why=_shortened(reasons),
            )  # fmt: skip
            # One that steps back twice has one line, and one decision.
            others = tuple(known for known in draft.decisions if not known.line.startswith(f'{key(extra)} = "'))
            return replace(
                draft, text=text, decisions=(*others, decision), older={**draft.older, extra: older[1:]}
            )  # fmt: skip
    return None


def overriding(draft: Draft, reasons: Sequence[str]) -> Draft | None:
    """The draft with an [[override]] for each pin that pip would not install; None when there is no other version."""
    stated = tomllib.loads(draft.text)
    known = {canonicalize_name(entry["requirement"].partition("==")[0]) for entry in stated.get("override", ())}
    found = [match for line in reasons if (match := _FOR_OTHERS.fullmatch(line.strip()))]
    if not found or len(found) < len(reasons) or any(canonicalize_name(match["name"]) in known for match in found):
        return None
    better = draft
    for match in found:
        pin = f"{match['name']}=={match['instead']}"
        why = f"{match['version']} is not for Python {match['python']}"
        entry = f'[[override]]\nrequirement = "{pin}"\nreason = "{why}"\n\n'
        text = better.text.replace("[providers]\n", f"{entry}[providers]\n", 1)
        what = f"{pin} on all Pythons, as {match['name']} {why}"
        better = _decided(better, text, Decision(what=what, line=f'requirement = "{pin}"'))
    return better


def _decided(draft: Draft, text: str, decision: Decision) -> Draft:
    return replace(draft, text=text, decisions=(*draft.decisions, decision))


def _shortened(reasons: Sequence[str]) -> tuple[str, ...]:
    """The resolver's own words: what is in the way and who asks for it, without the steps between and the advice."""
    lines = list(_conclusions(reasons))
    if len(lines) <= _FIRST + _LAST:
        return tuple(lines)
    return (*lines[:_FIRST], f"... {len(lines) - _FIRST - _LAST} more lines ...", *lines[-_LAST:])


def _conclusions(reasons: Sequence[str]) -> Iterator[str]:
    for line in "\n".join(reasons).splitlines():
        if line.strip().startswith("hint:"):
            return
        if line.strip() == "[stderr]":
            continue
        if line.strip() and not line.startswith("error: No solution found"):
            yield line.strip().removeprefix("cause: ")
