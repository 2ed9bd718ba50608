"""patches/proofs/routes/VERSION.tsv anew: what each route asks for, and how it answers, on upstream and on ours.

    python scripts/routes.py VERSION [VERSION ...]

It walks the environments that `certified prove VERSION` has kept. Explanations stay where a difference is as it was; a
new one gets that which another version has for it, if the series has such a patch. What is left is named, and is to be
filled in by hand: the names of patches, without number, separated by commas.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

root = Path(__file__).resolve().parent.parent
proofs = root / "patches" / "proofs"
HEADS = ["interface", "method", "rule", "rights upstream", "rights ours", "status upstream", "status ours", "patch"]
# A side on which nobody is answered.
NOWHERE = ("-", "-")
SIDES = {"upstream": "upstream-apache-airflow-*", "ours": "patched-*"}

Key = tuple[str, ...]


def walked(version: str, pattern: str) -> dict[Key, tuple[str, str]]:
    """Rights and status by interface, method and rule, in the environment of a side."""
    found = list((root / "build" / version / "proof-environments").glob(pattern))
    if len(found) != 1:
        sys.exit(f"no environment {pattern} of {version}: certified prove {version} test_ac_2026_02.py")
    with tempfile.TemporaryDirectory(prefix="routes-") as scratch:
        here = Path(scratch)
        for path in proofs.glob("*.py"):
            shutil.copy(path, here)
        python = found[0] / "bin" / "python"
        env = {"PATH": f"{python.parent}:/usr/bin:/bin", "HOME": scratch, "PROOF_HOME": f"{scratch}/airflow"}
        done = subprocess.run(
            [python, "-B", "routes.py", "found.json"], cwd=here, env=env, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{done.stdout}{done.stderr}\nthe walk failed in {found[0].name} of {version}")
        rows = json.loads((here / "found.json").read_text(encoding="utf-8"))
    return {tuple(row[:3]): (row[3], row[4]) for row in rows}


def table(version: str) -> dict[Key, list[str]]:
    """The rows of a version's file, by interface, method and rule."""
    path = proofs / "routes" / f"{version}.tsv"
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    return {tuple(row[:3]): row for row in (line.split("\t") for line in lines)}


def explained(version: str, row: list[str], others: dict[Key, list[list[str]]]) -> str:
    """The patches of a version that explain the difference in a row, as another row says."""
    series = (root / "patches" / version / "series").read_text(encoding="utf-8").split()
    carried = {re.sub(r"^\d+-|\.patch$", "", name) for name in series}
    for other in others.get(tuple(row[:3]), ()):
        if other[3:7] == row[3:7] and carried.issuperset(other[7].split(",")):
            return other[7]
    return ""


def write(version: str) -> int:
    """Writes the file of a version; the number of differences that nobody explains."""
    upstream, ours = (walked(version, pattern) for pattern in SIDES.values())
    versions = [version, *sorted(path.stem for path in (proofs / "routes").glob("*.tsv") if path.stem != version)]
    others: dict[Key, list[list[str]]] = {}
    for name in versions:
        for key, row in table(name).items():
            others.setdefault(key, []).append(row)
    rows = []
    for key in sorted(upstream.keys() | ours.keys()):
        (rights, status), (our_rights, our_status) = upstream.get(key, NOWHERE), ours.get(key, NOWHERE)
        row = [*key, rights, our_rights, status, our_status, ""]
        if row[3] != row[4] or row[5] != row[6]:
            row[7] = explained(version, row, others)
        rows.append(row)
    text = "".join("\t".join(row) + "\n" for row in [HEADS, *rows])
    (proofs / "routes" / f"{version}.tsv").write_text(text, encoding="utf-8")
    different = [row for row in rows if row[3] != row[4] or row[5] != row[6]]
    left = [row for row in different if not row[7]]
    for row in left:
        print("not explained:", *row[:7], sep="\n    ")
    print(f"{version}: {len(rows)} routes, {len(different)} differences, {len(left)} of them without an explanation")
    return len(left)


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(__doc__)
    sys.exit(bool(sum([write(version) for version in sys.argv[1:]])))
