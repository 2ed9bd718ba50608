"""What tests of the image share."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable

import pytest
from containers import NAME, RUN, VERSION, podman

from astronomer_certified.errors import EnvironmentMissing
from astronomer_certified.image import builders
from documented import ROOT, Terminal


@pytest.fixture(scope="session")
def image(record_testsuite_property: Callable[[str, object], None]) -> str:
    """The name of the image, made of the wheels of this project, which are made first.

    What made and runs it is recorded for its certificate. Skipped where nothing makes or runs images: it says which.
    """
    for program in ("podman", "mmdebstrap"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not here")
    try:
        builders.find("buildah")
    except EnvironmentMissing as err:
        pytest.skip(str(err))
    terminal = Terminal(folder=ROOT, env=dict(os.environ), instead={"2.1.0": VERSION})
    terminal.types("certified build 2.1.0")
    terminal.types("certified wheelhouse 2.1.0")
    made = terminal.types("certified image build 2.1.0", "--builder buildah").stdout
    assert made.split()[0] == NAME.removeprefix("localhost/")
    # 125 and 126 are podman's and the runtime's: they cannot start any container, whatever is in it.
    tried = subprocess.run(
        ["podman", *RUN, "--rm", "--entrypoint", "/bin/true", NAME], capture_output=True, text=True, check=False
    )
    if tried.returncode in {125, 126}:
        pytest.skip(f"no container starts here: {tried.stderr.strip().splitlines()[-1]}")
    for program in ("buildah", "podman"):
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        record_testsuite_property(f"tool {program}", said.split()[2])
    record_testsuite_property("size", podman("image", "inspect", "--format", "{{.Size}}", NAME).strip())
    return NAME
