"""What upstream tested a version with is read strictly: pins and comments, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from astronomer_certified.artifacts import Python
from astronomer_certified.errors import ManifestError
from astronomer_certified.project import preferences

P36, P38 = Python(3, 6), Python(3, 8)


def pins(text: str | bytes, python: Python = P38) -> dict[str, str]:
    content = text if isinstance(text, bytes) else text.encode()
    return {str(name): str(version) for name, version in preferences.parsed(content, python, "the file").items()}


def test_names_are_normalized_and_comments_are_left_out() -> None:
    text = "# Upstream's words\n\nFlask_Cors==3.0.10  # a reason\r\n  zope.interface==5.4.0\nflask===1\n#x==1\n"
    with pytest.raises(ManifestError) as refused:
        pins(text)
    assert refused.value.details == ("line 5: 'flask===1': must pin one version with '=='",)
    assert pins(text.replace("flask===1\n", "")) == {"flask-cors": "3.0.10", "zope-interface": "5.4.0"}


def test_a_pin_for_another_python_is_not_preferred() -> None:
    text = "dataclasses==0.8; python_version < '3.7'\nflask==1.1.4\n"
    assert pins(text, P36) == {"dataclasses": "0.8", "flask": "1.1.4"}
    assert pins(text, P38) == {"flask": "1.1.4"}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("flask>=1", "must pin one version with '=='"),
        ("flask==1.*", "must pin one version with '=='"),
        ("flask==1,<2", "must pin one version with '=='"),
        ("flask", "must pin one version with '=='"),
        ("flask[async]==2", "a constraint has no extras"),
        ("-c other.txt", "not a requirement (PEP 508)"),
        ("--index-url x", "not a requirement (PEP 508)"),
        ("flask==1 --hash=sha256:0", "not a requirement (PEP 508)"),
        ("flask @ file:///tmp/flask.whl", "must pin one version with '=='"),
        ("flask==\x1b[31m", "not a requirement (PEP 508)"),
        ("<<<<<<< ours", "not a requirement (PEP 508)"),
    ],
)
def test_a_line_that_is_no_pin_is_named_and_shown_harmlessly(line: str, why: str) -> None:
    with pytest.raises(ManifestError) as refused:
        pins(f"flask==1\n{line}\n")
    assert refused.value.details == (f"line 2: {line!a}: {why}",)


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xff\xfe\x00", b"\x00" * 10])
def test_a_file_without_a_pin_is_refused(content: bytes) -> None:
    with pytest.raises(ManifestError, match=r"does not hold what upstream tested with on Python 3\.8"):
        pins(content)


def test_what_is_written_is_read_as_it_was(tmp_path: Path) -> None:
    stated = {canonicalize_name("flask"): Version("1.1.4"), canonicalize_name("attrs"): Version("20.3.0")}
    path = preferences.path_of(tmp_path, P38)
    path.write_bytes(preferences.rendered(Version("2.1.0"), P38, "0" * 64, stated))

    loaded = preferences.load(tmp_path, [P36, P38])

    assert list(loaded) == [P38]
    assert loaded[P38].pins == stated


def test_a_file_for_a_python_that_the_release_is_not_for_is_named(tmp_path: Path) -> None:
    preferences.path_of(tmp_path, Python(3, 9)).write_text("flask==1\n")
    with pytest.raises(ManifestError, match="is for a Python that the release is not for"):
        preferences.load(tmp_path, [P38])
