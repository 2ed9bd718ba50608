"""requirements/: what this project's own environments hold, with hashes, for every Python from 3.11 on.

dev.txt is the environment that everything runs in, docs.txt the one that makes the pages of the documentation.
"""

import configparser
import subprocess
from pathlib import Path

from uv import find_uv_bin

root = Path(__file__).resolve().parent.parent
words = [
    find_uv_bin(), "pip", "compile", "--no-config", "--quiet", "--universal", "--python-version", "3.11",
    "--generate-hashes", "--no-annotate", "--no-header", "--upgrade", "-",
]  # fmt: skip
setup = configparser.ConfigParser()
setup.read(root / "setup.cfg", encoding="utf-8")
options = setup["options.extras_require"]
wanted = {"dev": setup["options"]["install_requires"] + options["dev"], "docs": options["docs"]}
for name, requirements in wanted.items():
    target = root / "requirements" / f"{name}.txt"
    text = subprocess.run(words, cwd=root, check=True, stdout=subprocess.PIPE, input=requirements, text=True).stdout
    target.write_text(f"# Made by `make lock` from setup.cfg; do not edit.\n{text}", encoding="utf-8")
    print(target.relative_to(root))
