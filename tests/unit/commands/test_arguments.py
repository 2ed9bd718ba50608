"""What an operator may say of a server: values that could not work are told before it starts."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import pytest

from astronomer_certified.commands import arguments


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (arguments.size, "0"),
        (arguments.size, "0G"),
        (arguments.size, "-1"),
        (arguments.size, "9" * 5000),
        (arguments.prefix, "files"),
        (arguments.prefix, "/a\nb"),
        (arguments.client, "10.0.0.0/8"),
        (arguments.client, "proxy.example"),
        (arguments.host, "http://files.internal/"),
        (arguments.host, "files.internal:"),
        (arguments.host, ""),
        (arguments.address, "packages.example"),
        (arguments.address, "ftp://packages.example/"),
        (arguments.address, "http://packages.example:99999/"),
        (arguments.address, "http://packages.example:abc/"),
        (arguments.address, "http://a b/"),
        (arguments.address, "http://[::1/"),
    ],
)
def test_what_cannot_work_is_refused_with_what_to_say(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="say "):
        parse(text)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (arguments.size, "500M", 500 << 20),
        (arguments.prefix, "/files/", "/files/"),
        (arguments.client, "*", "*"),
        (arguments.client, "::1", "::1"),
        (arguments.client, "10.0.0.7", "10.0.0.7"),
        (arguments.host, "files.internal:8081", "files.internal:8081"),
        (arguments.host, "[::1]:8081", "::1:8081"),
        (arguments.host, "::1", "::1"),
    ],
)
def test_what_can_work_is_taken(parse: Callable[[str], object], text: str, value: object) -> None:
    assert parse(text) == value
