"""The payload as users have it: a certified wheel, unpacked into an environment of the oldest Python and of ours."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from factories import constraints, manifest

from astronomer_certified.artifacts import Python
from astronomer_certified.build import certified_wheel
from documented import Terminal

# Those that the release is for, and the one that runs the tests.
PYTHONS = (Python(3, 6), Python(3, 7), Python(3, 8), Python(*sys.version_info[:2]))
CLOSURES = (
    constraints("3.8", {"flask": "1.1.4"}, celery={"celery": "4.4.7"}, cncf_kubernetes={"kubernetes": "11.0.0"}),
)
PATCH = certified_wheel.CarriedPatch(
    distribution="apache-airflow", name="fix-it", subject="Fix <it>", fixes=("CVE-2026-0001",), change="demo#1",
    proofs=("test_demo.py",), notice="Look at it.",
)  # fmt: skip
KNOWN = tuple(
    certified_wheel.KnownVulnerability(
        id=id, aliases=(), summary=f"{id} is bad.", severity=9.8, status=status, reason=reason, evidence=evidence
    )
    for id, status, reason, evidence in (
        ("CVE-2026-0001", "fixed", "fix-it", ("test_demo.py",)),
        ("CVE-2026-0002", "affected", "no patch yet", ()),
        ("CVE-2026-0003", "affected", "nobody uses it", ()),
        ("CVE-2026-0004", "in upstream", "since 2.0.2", ()),
    )
)


# An Airflow, an alembic and a kombu as far as `doctor` uses them. Variables say what they find.
AIRFLOW = {
    "airflow/__init__.py": "",
    "airflow/migrations/env.py": "",
    "airflow/plugins_manager.py": "class AirflowPlugin: pass\n",
    "airflow/www/__init__.py": "",
    "airflow/www/utils.py": """
import os
class LoginMixin:
    def is_accessible(self): return os.environ["USER_IS"] != "nobody"
class SuperUserMixin:
    def is_accessible(self): return os.environ["USER_IS"] == "admin"
""",
    "airflow/settings.py": """
import os, time
class dialect:
    name = os.environ["AIRFLOW__CORE__SQL_ALCHEMY_CONN"].split(":")[0]
class Engine:
    dialect = dialect
    def connect(self):
        if "down" in os.environ["AIRFLOW__CORE__SQL_ALCHEMY_CONN"]:
            raise OSError("no route to postgresql://user:hidden@down/airflow")
        return self
    def __enter__(self): return self
    def __exit__(self, *problem): pass
    def execute(self, words): return self
    def scalar(self): return time.time() + float(os.environ.get("THEIR_CLOCK", "0"))
engine = Engine()
""",
}
# What a website is made of, as far as the mark uses it.
FLASK = {
    "flask.py": """
from html import escape
class Blueprint:
    def __init__(self, name, import_name, template_folder):
        self.name, self.template_folder, self.recorded = name, template_folder, []
    def record(self, function): self.recorded.append(function)
def url_for(endpoint): return "/prefix/" + endpoint
""",
    "flask_appbuilder.py": """
class BaseView:
    def render_template(self, name, **shown): return name, shown
def expose(path): return lambda function: function
def has_access(function):
    function.asks = True
    return function
""",
    "flask_admin.py": """
class BaseView:
    def __init__(self, **named): self.named = named
    def render(self, name, **shown): return name, shown
def expose(path): return lambda function: function
""",
    "flask_login.py": """
import os
class current_user:
    is_authenticated = os.environ["USER_IS"] != "nobody"
""",
}
ALEMBIC = {
    "alembic/__init__.py": "",
    "alembic/config.py": "class Config:\n    def set_main_option(self, name, value): pass\n",
    "alembic/runtime/__init__.py": "",
    "alembic/runtime/migration.py": """
import os
class MigrationContext:
    @classmethod
    def configure(cls, connection): return cls()
    def get_current_heads(self): return tuple(os.environ.get("THEIR_HEADS", "abc").split())
""",
    "alembic/script.py": """
class ScriptDirectory:
    @classmethod
    def from_config(cls, config): return cls()
    def get_heads(self): return ["abc"]
""",
}
KOMBU = """
class Connection:
    def __init__(self, url, connect_timeout, transport_options):
        self.url = url
        if url.startswith("sentinel") and transport_options.get("master_name") != "mymaster":
            raise OSError("No master found for %r" % transport_options.get("master_name"))
    def __enter__(self): return self
    def __exit__(self, *problem): pass
    def ensure_connection(self, max_retries, interval_start):
        if "down" in self.url:
            raise OSError("no route to " + self.url)
        if self.url.startswith("sqs"):
            import botocore
        if "library" in self.url:
            raise ImportError("Missing redis library (pip install redis)")
"""


PROGRAM = """#!{python}
import sys
from astronomer_certified import environment
from astronomer_certified.command import main
environment.SYSTEM_FILE = {system_file!r}
sys.exit(main())
"""


@dataclass(frozen=True, kw_only=True)
class Installed:
    """An environment with the certified wheel, and an `airflow` that says what it was called with."""

    folder: Path
    site: Path

    @property
    def airflow(self) -> Path:
        return self.folder / "bin" / "airflow"

    def terminal(self, home: Path, **env: str) -> Terminal:
        """A terminal of a user whose home folder that is, with nothing set but this."""
        return Terminal(folder=home, env={**bare(home), **env}, programs=self.folder / "bin")

    def run(self, *words: str | Path, home: Path, status: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        """What came of `astronomer-certified WORDS`, typed by a user with that home folder."""
        program = [self.folder / "bin" / "astronomer-certified", *words]
        done = subprocess.run(
            program, cwd=home, env={**bare(home), **env}, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done


def bare(home: Path) -> Mapping[str, str]:
    return {"HOME": str(home), "PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONWARNINGS": "error"}


def system_file(folder: Path) -> Path:
    """What stands in place of /etc/default/astronomer-certified for the environment in that folder."""
    return folder / "etc" / "default" / "astronomer-certified"


def installed_in(folder: Path, python: Path) -> Installed:
    """A virtual environment there with what pip would put into it."""
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
    [site] = (folder / "lib").glob("python*/site-packages")
    files = {f"constraints-{python}.txt": b"flask==1.1.4\n" for python in PYTHONS}
    carried = certified_wheel.Carried(files=files, patches=(PATCH,), vulnerabilities=KNOWN)
    wheel = certified_wheel.build(manifest(pythons=PYTHONS), CLOSURES, carried, folder)
    with zipfile.ZipFile(wheel.path) as archive:
        archive.extractall(site)
    # Not the one of this machine, which may have one of its own: root would read and write it.
    program = PROGRAM.format(python=folder / "bin" / "python", system_file=str(system_file(folder)))
    executable(folder / "bin" / "astronomer-certified", program)
    executable(folder / "bin" / "airflow", '#!/bin/sh\necho "airflow $*"\nenv\n')
    distribution(site, "apache-airflow", "2.1.0+astro.4", AIRFLOW)
    distribution(site, "alembic", "1.0", ALEMBIC)
    distribution(site, "kombu", "1.0", {"kombu.py": KOMBU})
    distribution(site, "flask", "1.1.4", FLASK)
    return Installed(folder=folder, site=site)


def distribution(site: Path, name: str, version: str, files: Mapping[str, str]) -> None:
    """An installed distribution with these files and a RECORD of them."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    whole = {**files, f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}
    rows = []
    for path, text in whole.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
        digest = urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        rows.append(f"{path},sha256={digest},{len(text)}\n")
    (site / info / "RECORD").write_text("".join([*rows, f"{info}/RECORD,,\n"]))


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
