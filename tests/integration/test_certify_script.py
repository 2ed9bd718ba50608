"""scripts/certify: what was certified is kept, and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

from documented import ROOT

# Certifies 2.0.2, fails for 2.1.0, and shows the releases; it says what it was asked.
CERTIFIED = """\
#!/bin/sh
case $1 in
releases) echo "the page" ;;
certify)
    echo "$@" > asked
    printf '%s  9  aa\\n' file apache_airflow-2.0.2+astro.2-py3-none-any.whl certificate-2.0.2-2.json
    echo "error: 2.1.0: a check failed" >&2
    exit 1 ;;
esac
"""


def test_only_what_was_certified_is_kept_and_a_failure_is_the_status(tmp_path: Path) -> None:
    for folder in ("scripts", "docs", "dist/2.0.2", "dist/2.1.0"):
        (tmp_path / folder).mkdir(parents=True)
    script, fake = tmp_path / "scripts" / "certify", tmp_path / "certified"
    script.write_bytes((ROOT / "scripts" / "certify").read_bytes())
    fake.write_text(CERTIFIED)
    for program in (script, fake):
        program.chmod(0o755)
    for version in ("2.0.2", "2.1.0"):
        (tmp_path / "dist" / version / f"certificate-{version}-2.json").write_text(version)

    done = subprocess.run([script, fake, "--all", "--jobs", "2"], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "2.1.0: a check failed" in done.stderr
    assert (tmp_path / "asked").read_text() == "certify --all --jobs 2 --require-complete\n"
    # That of 2.1.0 is of a `certified release`, which tries less.
    assert [path.name for path in (tmp_path / "certificates").iterdir()] == ["certificate-2.0.2-2.json"]
    assert (tmp_path / "docs" / "releases.md").read_text() == "the page\n"
