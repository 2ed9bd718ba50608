"""Heads of the parts of a form: short, or not read at all."""

from __future__ import annotations

import io

import pytest

from astronomer_certified.index.http import forms

PART = b'--x\r\nContent-Disposition: form-data; name="content"; filename="a"\r\n\r\n'


@pytest.mark.parametrize(
    ("body", "sane"),
    [
        pytest.param(PART + b"abc\r\n--x--\r\n", True, id="one part"),
        pytest.param(PART + bytes(9 << 20) + b"\r\n" + PART + b"\r\n--x--", True, id="a large file"),
        pytest.param(PART + b"a" * ((4 << 20) - len(PART) - 3) + b"\r\n" + PART, True, id="across two pieces"),
        pytest.param(b"--x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", False, id="a long head"),
        pytest.param(PART + bytes(9 << 20) + b"\r\n--x\r\nX: " + b"a" * 20_000, False, id="a long head far behind"),
        pytest.param(PART + b"a" * ((4 << 20) - len(PART) - 3) + b"\r\n--x\r\nX", False, id="cut off across pieces"),
        pytest.param(b"--x", False, id="nothing but a boundary"),
        pytest.param(b"", True, id="nothing"),
    ],
)
def test_a_form_is_read_only_if_its_heads_are_short(body: bytes, sane: bool) -> None:
    stream = io.BytesIO(body)

    assert forms.is_sane(stream, b"x") is sane
    assert stream.tell() == 0


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("multipart/form-data; boundary=x", b"x"),
        ('multipart/form-data; BOUNDARY="a b"; y=z', b"a b"),
        ("multipart/form-data", None),
        ("multipart/form-data; boundary=", None),
    ],
)
def test_the_boundary_is_found(header: str, expected: bytes | None) -> None:
    assert forms.boundary(header) == expected
