"""Names that nobody else may answer for, however they are written."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from astronomer_certified.errors import UsageError
from astronomer_certified.index.api.fallback import Fallback, patterns
from astronomer_certified.index.auth.tokens import Token
from astronomer_certified.index.copies import nginx
from astronomer_certified.index.http.options import Options, Setup


@pytest.mark.parametrize("written", ["Acme__*", "acme-*", "ACME.*", "acme-_.*"])
def test_a_protected_pattern_protects_however_its_separators_are_written(written: str, tmp_path: Path) -> None:
    project = canonicalize_name("Acme__Secret")
    kept = patterns([written])

    assert Fallback(protected=kept).is_protected(project)
    assert Fallback(protected=Setup.of(tmp_path, None, False, [written], Options()).protected).is_protected(project)
    assert Token(name="a", user="b", projects=kept, expires=None, sha256="").covers(project)
    text = nginx.configuration(tmp_path, listen="80", upstream="http://127.0.0.1/", protected=[written])
    assert '"~^acme-.*$" 1;' in text


@pytest.mark.parametrize("listen", ["80; include /etc/passwd", "80 }", "unix:$x", "80\n", "80 # a"])
def test_more_than_the_words_of_its_directive_is_nothing_that_nginx_listens_on(listen: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nginx cannot listen on"):
        nginx.configuration(tmp_path, listen=listen, upstream=None, protected=[])


@pytest.mark.parametrize("written", ["", "acme/*", "acme *", "[a-z]*", "-acme", "acme$", '";'])
def test_a_pattern_that_can_match_no_name_is_refused(written: str) -> None:
    with pytest.raises(UsageError, match="is no name of a project"):
        patterns([written])
