"""The names of what patches/ holds: a version, or NAME==VERSION and nothing beside it."""

from __future__ import annotations

import pytest
from factories import ROOT

from astronomer_certified.errors import UsageError
from astronomer_certified.project import catalogue
from astronomer_certified.workspace import Workspace


@pytest.mark.parametrize(
    "text",
    [
        "2.x",
        "",
        "celery==",
        "celery==4.*",
        "celery===4.4.7",
        "celery==4.4.7,==4.4.6",
        "celery; python_version=='3'",
        "celery==4.4.7; python_version=='3'",
        "celery[redis]==4.4.7",
        "celery @ file:///celery==4.4.7",
        "==4.4.7",
    ],
)
def test_what_is_neither_is_one_clear_error(text: str) -> None:
    with pytest.raises(UsageError, match=r"neither a version like 2\.1\.0 nor NAME==VERSION"):
        catalogue.named(Workspace.at(ROOT), text)


def test_everything_is_found_again_by_its_title() -> None:
    workspace = Workspace.at(ROOT)
    for item in catalogue.everything(workspace):
        assert catalogue.named(workspace, catalogue.title(item)) == item
