"""How long a pip takes to read the METADATA of a certified wheel: run it with the Python whose pip is to be measured.

PYTHON scripts/bench_metadata.py WHEEL [EXTRA ...]
"""

import sys
import time
import zipfile
from email.parser import Parser

import pip

RUNS = 3


def read_by_packaging(text, extras):
    """As pip does since 22: each requirement is parsed, and its marker evaluated for each extra that was asked for."""
    from pip._vendor.packaging.requirements import Requirement

    found = []
    for line in Parser().parsestr(text).get_all("Requires-Dist", []):
        requirement = Requirement(line)
        marker = requirement.marker
        if not marker or any(marker.evaluate({"extra": extra}) for extra in extras):
            found.append(requirement)
    return found


def read_by_pkg_resources(text, extras):
    """As pip does before: each marker is evaluated for each extra that there is."""
    from pip._vendor.pkg_resources import DistInfoDistribution, EmptyProvider

    class Metadata(EmptyProvider):
        def has_metadata(self, name):
            return name == "METADATA"

        def get_metadata(self, name):
            return text

        def get_metadata_lines(self, name):
            return iter(text.splitlines())

    return DistInfoDistribution(project_name="x", version="1", metadata=Metadata()).requires(tuple(extras))


def main(wheel, *extras):
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        text = archive.read(name).decode()
    read = read_by_packaging if int(pip.__version__.split(".")[0]) >= 22 else read_by_pkg_resources
    best = None
    for _ in range(RUNS):
        start = time.process_time()
        found = read(text, extras or ("celery", "postgres", "redis", "statsd"))
        took = time.process_time() - start
        best = took if best is None else min(best, took)
    lines = text.count("\nRequires-Dist: ")
    print(
        f"pip {pip.__version__}: {lines} lines, {len(text) // 1024} KB, {len(found)} requirements, {best:.2f} s of CPU"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
