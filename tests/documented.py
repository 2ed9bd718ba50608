"""The commands of README.md and docs/, and which test runs each of them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ("make", "certified", "pip", "twine", "astronomer-certified")
_COMMAND = re.compile(rf"^(?:{'|'.join(PROGRAMS)}) ")

# Run by certification/test_documented_commands.py.
RELEASE = {"make release VERSION=2.1.0", "certified release 2.1.0"}
SERVE = {"make serve", "make serve PORT=8080"}
INSTALL = {
    "pip install --index-url http://127.0.0.1:8080/simple/ 'astronomer-certified[celery,postgres]==2.1.0.*'",
    "astronomer-certified version",
    "astronomer-certified constraints",
    "astronomer-certified environment",
}
UPLOAD = {"twine upload --repository-url http://127.0.0.1:8080/ -u certified dist/2.1.0/*.whl"}
SIMPLE = {
    "certified --version",
    "certified --print-completion bash",
    "make build VERSION=2.1.0",
    "certified build 2.1.0",
    "certified wheelhouse 2.1.0",
    "certified publish 2.1.0",
    "certified release 2.1.0 --quiet",
    "certified release 2.1.0 --json",
    "certified release 2.1.0 --require-complete",
    "certified prove 2.1.0",
    "certified prove 2.1.0 CVE-2021-38540",
    "certified check",
    "certified check 2.1.0",
    "certified patch checkout 2.1.0",
    "certified changelog 2.1.0",
    "certified releases",
    "certified patch lint",
    "certified patch list",
    "certified patch list 2.1.0",
    "certified patch list --count",
    "certified patch list --cve CVE-2021-28359",
    "certified patch list --page > docs/carry-matrix.md",
    "certified patch lint 2.1.0",
    "certified index verify",
    "certified index users list",
    "certified index export public",
    'certified index yank astronomer-certified 2.1.0.post1 --reason "wrong constraints"',
    "certified index yank astronomer-certified 2.1.0.post1 --undo",
    "certified index status astronomer-certified active",
}
# Run by tests/integration/test_regeneration.py, tests/unit/test_workbench.py, test_port.py and test_changelog.py, by
# .ci/run, by release engineers for certificates/ (make certify-all), or patterns rather than commands.
ELSEWHERE = {
    # builds and resolves as `certified constraints` does; tests/unit/test_drafts.py holds what it writes
    "certified new 2.4.3",
    "make releases-page",
    "make constraints VERSION=2.1.0",
    "certified constraints 2.1.0",
    "make check",
    "make test",
    "make certify-all",
    "make system-packages",
    "certified serve",
    # tests/integration/test_index_operations.py runs them all, on an index of its own
    "certified index serve",
    "certified index serve --workers 2",
    "certified index serve --index DIR",
    "certified index users add ann",
    "certified index users token ci --user ci --project 'acme-*' --days 90",
    "certified index users revoke ci",
    "certified index users remove ann",
    "certified index users",
    "certified index publish FILE …",
    "certified index yank PROJECT VERSION",
    "certified index status PROJECT STATUS",
    "certified index export DIR",
    "certified index mirror URL PROJECT …",
    "make torture-index",
    "make fuzz-index",
    "make bench-index",
    "certified release --all",
    "make release-all",
    "make bench",
    "certified release 2.1.0 --every-python",
    "certified prove 2.1.0 NAME",
    "certified bump 2.1.0",
    "certified patch checkout 2.1.0 DIR",
    "certified patch export DIR",
    "certified patch export 2.1.0",
    "certified patch port NAME --to 2.0.2",
    "certified patch port CVE-2021-38540 --all",
    "certified patch port --continue",
    "certified patch port --abort",
    "certified patch port --all --to 2.2.0 --dry-run",
    "certified -C DIR VERB …",
    "certified VERB --help",
    "pip install --index-url … 'apache-airflow[celery]==2.1.0+astro.1' -c my-constraints.txt",
}


def documented() -> set[str]:
    """The commands of indented blocks and of inline code."""
    found = set()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = path.read_text(encoding="utf-8")
        lines = [line[4:] for line in text.splitlines() if line.startswith("    ")]
        found |= {line.strip() for line in (*lines, *re.findall(r"`([^`\n]+)`", text)) if _COMMAND.match(line)}
    return found
