"""requirements/dev.txt: everything this project's own environment holds, with hashes, for every Python from 3.11 on."""

import subprocess
import sys
from pathlib import Path

from uv import find_uv_bin

root = Path(__file__).resolve().parent.parent
target = root / "requirements" / "dev.txt"
words = [
    find_uv_bin(), "pip", "compile", "--no-config", "--quiet", "--universal", "--python-version", "3.11",
    "--generate-hashes", "--no-annotate", "--no-header", "--upgrade",
    "--extra", "dev", "setup.cfg",
]  # fmt: skip
text = subprocess.run(words, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout
target.write_text(f"# Made by `make lock` from setup.cfg; do not edit.\n{text}", encoding="utf-8")
print(target.relative_to(root), file=sys.stdout)
