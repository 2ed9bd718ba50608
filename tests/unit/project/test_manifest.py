"""What a human states of a release: every problem named at once, with its line and the nearest right word."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from factories import ROOT, write_tree
from packaging.utils import canonicalize_name
from packaging.version import Version

from astronomer_certified.artifacts import Manifest, Python
from astronomer_certified.errors import ManifestError
from astronomer_certified.project import manifest, native_libraries
from astronomer_certified.workspace import Workspace

RELEASE = """\
version = "2.1.0"
revision = 4
pythons = ["3.8", "3.6", "3.7"]
cutoff = 2021-05-28T00:00:00Z
repairs = []
extras = ["celery", "cncf.kubernetes"]
default-extras = ["celery"]

[source]
kind = "sdist"
file = "apache-airflow-2.1.0.tar.gz"
sha256 = "1111111111111111111111111111111111111111111111111111111111111111"
uploaded = 2021-05-21T14:48:09+02:00

[upstream-wheel]
file = "apache_airflow-2.1.0-py3-none-any.whl"
sha256 = "2222222222222222222222222222222222222222222222222222222222222222"

[build]
pythons = ">=3.6,<3.12"
requires = ["setuptools<58"]

[stamp]
file = "setup.py"
line = "version = '2.1.0'"

[[restore]]
path = "airflow/py.typed"
reason = "the sdist does not hold it"

[providers]
celery = "1.0.1"
"cncf.kubernetes" = "1.2.0"

[[override]]
requirement = "flask-appbuilder==3.3.4"
reason = "CVE-2021-32805"

[[later]]
package = "Some_Package"
cutoff = 2022-01-01T00:00:00Z
reason = "yanked"

[certify]
python = "3.8"
pip = "23.3.2"
extras = ["celery", "default"]
"""

DISTRIBUTION = """\
version = "1.1.0"
revision = 2

[source]
kind = "wheel"
file = "apache_airflow_providers_mysql-1.1.0-py3-none-any.whl"
sha256 = "3333333333333333333333333333333333333333333333333333333333333333"
uploaded = 2021-04-13T00:12:44Z
"""
MYSQL = "apache-airflow-providers-mysql"


def load(workspace: Workspace, text: str | bytes, version: str = "2.1.0") -> Manifest:
    write_tree(workspace.root, {f"patches/{version}/release.toml": text})
    return manifest.load(workspace, Version(version))


def problems(workspace: Workspace, text: str, version: str = "2.1.0") -> list[str]:
    with pytest.raises(ManifestError) as caught:
        load(workspace, text, version)
    count = len(caught.value.details)
    path = workspace.root / "patches" / version / "release.toml"
    assert caught.value.what == f"{path}: {count} problem{'s' if count > 1 else ''}"
    return list(caught.value.details)


# --- what is right


def test_the_release_of_this_repository_loads() -> None:
    release = manifest.load(Workspace.at(ROOT), Version("2.1.0"))
    assert release.release.tag.startswith("2.1.0-")
    assert release.core.name == "apache-airflow"
    assert [str(python) for python in release.pythons] == ["3.6", "3.7", "3.8"]
    assert {item.name for item in release.distributions} >= {"apache-airflow", MYSQL}
    assert release.default_extras <= set(release.extras)


@pytest.mark.parametrize("path", sorted(ROOT.glob("patches/*/release.toml")), ids=lambda path: path.parent.name)
def test_every_release_of_this_repository_loads(path: Path) -> None:
    assert manifest.load(Workspace.at(ROOT), Version(path.parent.name)).path == path


def test_the_recipes_of_this_repository_load() -> None:
    libraries = native_libraries.load(ROOT / "constraints" / "native.toml")
    recipes = manifest.load_recipes(ROOT / "constraints" / "builds.toml", libraries)
    assert recipes[canonicalize_name("mysqlclient")].links == ("mariadb-connector",)


def test_a_release_is_for_one_machine_unless_it_says_more(workspace: Workspace) -> None:
    assert load(workspace, RELEASE).machines == ("x86_64",)
    more = RELEASE.replace('"3.7"]', '"3.7"]\nmachines = ["aarch64", "x86_64"]', 1)
    assert load(workspace, more).machines == ("x86_64", "aarch64")


def test_a_release_is_read_whole(workspace: Workspace) -> None:
    release = load(workspace, RELEASE)
    assert release.release.tag == "2.1.0-4"
    assert release.pythons == (Python(3, 6), Python(3, 7), Python(3, 8))
    assert release.cutoff == datetime(2021, 5, 28, tzinfo=UTC)
    assert release.core.uploaded == datetime(2021, 5, 21, 12, 48, 9, tzinfo=UTC)
    assert release.core.epoch == 1621601289
    assert release.core.kind == "sdist"
    assert release.core.stamp is not None
    assert release.core.stamp.line == "version = '2.1.0'"
    assert release.core.upstream_wheel.filename == "apache_airflow-2.1.0-py3-none-any.whl"
    assert [entry.path for entry in release.core.restore] == ["airflow/py.typed"]
    assert release.providers == {
        "apache-airflow-providers-celery": Version("1.0.1"),
        "apache-airflow-providers-cncf-kubernetes": Version("1.2.0"),
    }
    assert [str(entry.requirement) for entry in release.overrides] == ["flask-appbuilder==3.3.4"]
    assert release.later == {"some-package": datetime(2022, 1, 1, tzinfo=UTC)}
    assert release.target.extras == ("celery", "default")


def test_a_repair_is_read_from_its_own_folder(workspace: Workspace) -> None:
    write_tree(workspace.root, {f"patches/{MYSQL}/1.1.0/distribution.toml": DISTRIBUTION})
    release = load(workspace, RELEASE.replace("repairs = []", 'repairs = ["Apache_Airflow.Providers-MySQL==1.1.0"]'))
    (repair,) = release.repairs
    assert (repair.name, str(repair.release.patched)) == (MYSQL, "1.1.0+astro.2")
    assert repair.stamp is None
    assert repair.upstream_wheel == repair.source


# --- what is wrong


def test_all_problems_are_named_at_once_in_the_order_of_their_lines(workspace: Workspace) -> None:
    bad = (
        RELEASE.replace("revision = 4", "revision = 0")
        .replace("default-extras", "defualt-extras")
        .replace('kind = "sdist"', 'knd = "sdist"')
        .replace("1" * 64, "1" * 63)
        .replace("line = \"version = '2.1.0'\"", "line = \"version = '2.0.0'\"")
        .replace('celery = "1.0.1"', 'celery = "one"')
        .replace('requirement = "flask-appbuilder==3.3.4"', 'requirement = "flask-appbuilder>=3.3.4"')
        .replace('pip = "23.3.2"\n', "")
    )
    assert problems(workspace, bad) == [
        "line 1: default-extras: missing",
        "line 2: revision: must be a whole number from 1, not 0",
        "line 7: defualt-extras: unknown key, did you mean 'default-extras'?",
        "line 9: source.kind: missing",
        "line 10: source.knd: unknown key, did you mean 'kind'?",
        f"line 12: source.sha256: must be 64 lower-case hex digits, not '{'1' * 63}'",
        "line 25: stamp.line: does not hold the version 2.1.0",
        "line 32: providers.celery: not a version (PEP 440): 'one'",
        "line 36: override.0.requirement: must pin one version with '==', not 'flask-appbuilder>=3.3.4'",
        "line 44: certify.pip: missing",
    ]


def test_a_table_that_is_missing_is_one_problem_not_one_for_each_key(workspace: Workspace) -> None:
    without = RELEASE[: RELEASE.index("[certify]")]
    assert problems(workspace, without) == ["line 1: certify: missing"]


BAD = {
    "an unknown key at the top": (
        "revision = 4",
        "revision = 4\nrevison = 5",
        ["line 3: revison: unknown key, did you mean 'revision'?"],
    ),
    "an unknown key that resembles nothing": ("revision = 4", "revision = 4\nzzz = 5", ["line 3: zzz: unknown key"]),
    "an unknown table": ("[certify]", "[certfy]\n[certify]", ["line 44: certfy: unknown key, did you mean 'certify'?"]),
    "an unknown key in an array of tables": (
        'path = "airflow/py.typed"',
        'path = "a"\nfile = "b"',
        ["line 29: restore.0.file: unknown key"],
    ),
    "an unknown key in [certify]": (
        'pip = "23.3.2"',
        'pip = "23.3.2"\nextra = []',
        ["line 47: certify.extra: unknown key"],
    ),
    "an unknown key in [build]": (
        "requires =",
        "require =",
        ["line 21: build.require: unknown key, did you mean 'requires'?"],
    ),
    "a revision that is a text": (
        "revision = 4",
        'revision = "4"',
        ["line 2: revision: must be a whole number from 1, not '4'"],
    ),
    "a revision that is a truth": (
        "revision = 4",
        "revision = true",
        ["line 2: revision: must be a whole number from 1, not True"],
    ),
    "a Python that is a number": (
        '"3.8", "3.6", "3.7"',
        '3.8, "3.6"',
        [
            "line 3: pythons: not a Python version like 3.8: 3.8",
            "line 45: certify.python: 3.8 is not one of the release's pythons",
        ],
    ),
    "a Python with a patch level": ('"3.7"]', '"3.7.1"]', ["line 3: pythons: not a Python version like 3.8: '3.7.1'"]),
    "no Python": ('"3.8", "3.6", "3.7"', "", ["line 3: pythons: must name at least one"]),
    "a Python twice": ('"3.7"]', '"3.8"]', ["line 3: pythons: '3.8' stands there twice"]),
    "an unknown machine": (
        '"3.7"]',
        '"3.7"]\nmachines = ["x86_64", "riscv64"]',
        ["line 4: machines: must be of x86_64, aarch64, not 'riscv64'"],
    ),
    "no machine to certify on": (
        '"3.7"]',
        '"3.7"]\nmachines = ["aarch64"]',
        ["line 4: machines: lacks x86_64, on which a release is certified"],
    ),
    "no machine": ('"3.7"]', '"3.7"]\nmachines = []', ["line 4: machines: must name at least one"]),
    "Pythons that are a text": ('["3.8", "3.6", "3.7"]', '"3.8"', ["line 3: pythons: must be an array, not '3.8'"]),
    "a cutoff without a time zone": (
        "28T00:00:00Z",
        "28T00:00:00",
        [
            "line 4: cutoff: is before the upload of the source (2021-05-21)",
            "line 4: cutoff: must be a date and time in UTC",
        ],
    ),
    "a cutoff that is a date": (
        "28T00:00:00Z",
        "28",
        [
            "line 4: cutoff: is before the upload of the source (2021-05-21)",
            "line 4: cutoff: must be a date and time in UTC",
        ],
    ),
    "a cutoff before the source": (
        "2021-05-28T",
        "2021-05-20T",
        ["line 4: cutoff: is before the upload of the source (2021-05-21)"],
    ),
    "a default extra that is none": (
        'default-extras = ["celery"]',
        'default-extras = ["clery"]',
        ["line 7: default-extras: 'clery' is not one of the extras"],
    ),
    "an extra twice": (
        'extras = ["celery", "cncf',
        'extras = ["celery", "celery", "cncf',
        ["line 6: extras: 'celery' stands there twice"],
    ),
    "an extra that is empty": (
        'extras = ["celery", "cncf',
        'extras = ["celery", "", "cncf',
        ["line 6: extras: must be a non-empty string, not ''"],
    ),
    "an extra of certify that is none": (
        '["celery", "default"]',
        '["postgres"]',
        ["line 47: certify.extras: 'postgres' is not one of the extras"],
    ),
    "a Python of certify that is none": (
        'python = "3.8"',
        'python = "3.9"',
        ["line 45: certify.python: 3.9 is not one of the release's pythons"],
    ),
    "a kind that does not exist": (
        'kind = "sdist"',
        'kind = "egg"',
        ["line 10: source.kind: must be one of sdist, wheel, not 'egg'"],
    ),
    "a source of another project": (
        "apache-airflow-2.1.0.tar",
        "airflow-2.1.0.tar",
        ["line 11: source.file: 'airflow-2.1.0.tar.gz' is not a file of apache-airflow 2.1.0"],
    ),
    "a source of another version": (
        "airflow-2.1.0.tar",
        "airflow-2.1.1.tar",
        ["line 11: source.file: 'apache-airflow-2.1.1.tar.gz' is not a file of apache-airflow 2.1.0"],
    ),
    "a source that is a path": (
        "apache-airflow-2.1.0.tar",
        "x/apache-airflow-2.1.0.tar",
        ["line 11: source.file: must be a file name without folders"],
    ),
    "a source that is no distribution": (
        "apache-airflow-2.1.0.tar.gz",
        "apache-airflow-2.1.0.rpm",
        ["line 11: source.file: neither an sdist's nor a wheel's file name: 'apache-airflow-2.1.0.rpm'"],
    ),
    "a wheel that is called an sdist": (
        "apache-airflow-2.1.0.tar.gz",
        "apache_airflow-2.1.0-py3-none-any.whl",
        ["line 11: source.file: 'apache_airflow-2.1.0-py3-none-any.whl' is not a sdist"],
    ),
    "a hash in capitals": ("1" * 64, "A" * 64, ["line 12: source.sha256: must be 64 lower-case hex digits"]),
    "a stamp outside of the tree": (
        'file = "setup.py"',
        'file = "../setup.py"',
        ["line 24: stamp.file: must be a relative path without '..', not '../setup.py'"],
    ),
    "a restored file that is absolute": (
        '"airflow/py.typed"',
        '"/etc/passwd"',
        ["line 28: restore.0.path: must be a relative path without '..', not '/etc/passwd'"],
    ),
    "a restored file without a reason": (
        'reason = "the sdist does not hold it"\n',
        "",
        ["line 27: restore.0.reason: missing"],
    ),
    "an override without a reason": (
        'reason = "CVE-2021-32805"',
        'reason = " "',
        ["line 37: override.0.reason: must be a non-empty string, not ' '"],
    ),
    "an override with a wildcard": (
        "==3.3.4",
        "==3.3.*",
        ["line 36: override.0.requirement: must pin one version with '=='"],
    ),
    "an override that is no requirement": (
        "flask-appbuilder==3.3.4",
        "flask appbuilder",
        ["line 36: override.0.requirement: not a requirement (PEP 508): 'flask appbuilder'"],
    ),
    "an override for a Python that the release is not for": (
        'reason = "CVE-2021-32805"',
        'reason = "CVE-2021-32805"\npythons = ["3.8", "3.9", "three"]',
        [
            "line 38: override.0.pythons: 3.9 is not one of the release's pythons",
            "line 38: override.0.pythons: not a Python version like 3.8: 'three'",
        ],
    ),
    "an override for no Python": (
        'reason = "CVE-2021-32805"',
        'reason = "CVE-2021-32805"\npythons = []',
        ["line 38: override.0.pythons: must name at least one"],
    ),
    "two overrides of a project on one Python": (
        "[[later]]",
        '[[override]]\nrequirement = "Flask_AppBuilder==3.3.2"\nreason = "x"\npythons = ["3.6"]\n\n[[later]]',
        ["line 40: override.1.requirement: flask-appbuilder==3.3.4 is one of the overrides, too"],
    ),
    "a first patch release of a Python that the release is not for": (
        "[certify]",
        '[first-patch-release]\n"3.9" = 1\n\n[certify]',
        ["line 45: first-patch-release.3.9: is not one of the release's pythons"],
    ),
    "a first patch release that is none": (
        "[certify]",
        '[first-patch-release]\n"3.8" = "3.8.1"\n\n[certify]',
        ["line 45: first-patch-release.3.8: must be a whole number from 1, not '3.8.1'"],
    ),
    "build Pythons that are no range": (
        '">=3.6,<3.12"',
        '"3.6"',
        ["line 20: build.pythons: not a version specifier (PEP 440): '3.6'"],
    ),
    "a repair without a version": (
        "repairs = []",
        'repairs = ["x"]',
        ["line 5: repairs: must pin one version with '==', not 'x'"],
    ),
    "a repair that comes twice": (
        "repairs = []",
        'repairs = ["x==1", "X==2"]',
        ["line 5: repairs: 'x' stands there twice"],
    ),
    "providers that are an array": (
        '[providers]\ncelery = "1.0.1"\n"cncf.kubernetes" = "1.2.0"',
        "[[providers]]",
        ["line 31: providers: must be a table, not [{}]"],
    ),
    "overrides that are a table": ("[[override]]", "[override]", ["line 35: override: must be an array, not {"]),
    "a later without a date": ("cutoff = 2022-01-01T00:00:00Z\n", "", ["line 39: later.0.cutoff: missing"]),
}


def test_an_override_may_be_for_some_pythons_and_another_for_the_rest(workspace: Workspace) -> None:
    more = (
        '[[override]]\nrequirement = "flask-appbuilder==3.4.5"\nreason = "CVE-2022-1"\npythons = ["3.8"]\n\n[[later]]'
    )
    text = RELEASE.replace('"CVE-2021-32805"\n', '"CVE-2021-32805"\npythons = ["3.6", "3.7"]\n')

    stated = load(workspace, text.replace("[[later]]", more))

    assert [str(entry) for entry in stated.overrides_on(Python(3, 6))] == ["flask-appbuilder==3.3.4 on Python 3.6, 3.7"]
    assert [str(entry) for entry in stated.overrides_on(Python(3, 8))] == ["flask-appbuilder==3.4.5 on Python 3.8"]


@pytest.mark.parametrize(("good", "bad", "expected"), BAD.values(), ids=BAD)
def test_a_bad_value_is_named_with_its_line(workspace: Workspace, good: str, bad: str, expected: list[str]) -> None:
    assert good in RELEASE
    found = problems(workspace, RELEASE.replace(good, bad))
    assert len(found) == len(expected)
    assert all(line.startswith(start) for line, start in zip(found, expected, strict=True)), found


def test_a_release_in_the_folder_of_another_is_refused(workspace: Workspace) -> None:
    assert problems(workspace, RELEASE, "2.1.1") == ["line 1: version: is 2.1.0, but the folder is named 2.1.1"]


def test_a_repair_whose_folder_is_missing_is_named(workspace: Workspace) -> None:
    text = RELEASE.replace("repairs = []", f'repairs = ["{MYSQL}==1.1.0"]')
    assert problems(workspace, text) == [
        f"line 5: repairs: {MYSQL}==1.1.0 needs patches/{MYSQL}/1.1.0/distribution.toml, which is not there"
    ]


@pytest.mark.parametrize(
    ("good", "bad", "problem"),
    [
        ('version = "1.1.0"', 'version = "1.1.1"', "line 1: version: is 1.1.1, but the folder is named 1.1.0"),
        ("revision = 2", "revision = 2\npythons = []", "line 3: pythons: unknown key"),
        ("[source]", "[build]\n[source]", "line 4: build: unknown key"),
        (
            "mysql-1.1.0",
            "mssql-1.1.0",
            f"line 6: source.file: '{MYSQL.replace('-', '_').replace('mysql', 'mssql')}-1.1.0",
        ),
        ('kind = "wheel"', 'kind = "sdist"', "line 1: build: missing"),
    ],
    ids=[
        "another folder",
        "a key of a release",
        "a table of an sdist",
        "another project",
        "an sdist without its build",
    ],
)
def test_a_bad_distribution_is_named_with_its_own_file(workspace: Workspace, good: str, bad: str, problem: str) -> None:
    text = DISTRIBUTION.replace(good, bad)
    write_tree(workspace.root, {f"patches/{MYSQL}/1.1.0/distribution.toml": text})
    with pytest.raises(ManifestError, match=r"distribution\.toml: \d problem") as caught:
        load(workspace, RELEASE.replace("repairs = []", f'repairs = ["{MYSQL}==1.1.0"]'))
    assert caught.value.details[0].startswith(problem)


def test_a_release_that_is_not_there_is_one_message(workspace: Workspace) -> None:
    with pytest.raises(ManifestError, match=r"patches/9\.9\.9/release\.toml: no such file"):
        manifest.load(workspace, Version("9.9.9"))


@pytest.mark.parametrize(
    ("text", "why"),
    [(b"version = \n", "not valid TOML"), (b"a = 1\na = 2\n", "not valid TOML"), (b'a = "\xff"\n', "not UTF-8")],
    ids=["syntax", "a key twice", "not UTF-8"],
)
def test_what_is_no_toml_is_one_message(workspace: Workspace, text: bytes, why: str) -> None:
    with pytest.raises(ManifestError, match=why):
        load(workspace, text)


def test_a_recipe_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    write_tree(tmp_path, {"builds.toml": '[mysqlclient]\ncompild = true\nlinks = "x"\nbuild = 0\n'})
    with pytest.raises(ManifestError) as caught:
        manifest.load_recipes(tmp_path / "builds.toml", ())
    assert list(caught.value.details) == [
        "line 2: mysqlclient.compild: unknown key, did you mean 'compiled'?",
        "line 3: mysqlclient.links: must be an array, not 'x'",
        "line 4: mysqlclient.build: must be a whole number from 1, not 0",
    ]


def test_a_recipe_that_links_an_unknown_library_is_refused(tmp_path: Path) -> None:
    write_tree(tmp_path, {"builds.toml": '[mysqlclient]\ncompiled = true\nlinks = ["maria"]\nbuild = 1\n'})
    with pytest.raises(ManifestError) as caught:
        manifest.load_recipes(tmp_path / "builds.toml", ["mariadb-connector"])
    assert list(caught.value.details) == ["line 3: mysqlclient.links: maria is not in constraints/native.toml"]


def test_a_recipe_that_is_no_table_is_refused(tmp_path: Path) -> None:
    write_tree(tmp_path, {"builds.toml": "mysqlclient = true\n"})
    with pytest.raises(ManifestError, match="1 problem") as caught:
        manifest.load_recipes(tmp_path / "builds.toml", ())
    assert list(caught.value.details) == ["line 1: mysqlclient: must be a table, not True"]


def test_the_providers_of_1_10_are_backports_beside_what_the_document_says(workspace: Workspace) -> None:
    text = RELEASE.replace("[providers]", '[documented-providers]\ncelery = "1.0.0"\n\n[backport-providers]')
    release = load(workspace, text)

    assert release.providers == {
        "apache-airflow-backport-providers-celery": Version("1.0.1"),
        "apache-airflow-backport-providers-cncf-kubernetes": Version("1.2.0"),
    }
    assert release.documented_providers == {"celery": Version("1.0.0")}


def test_an_extra_is_either_there_or_left_out(workspace: Workspace) -> None:
    text = RELEASE + '\n[left-out]\ncelery = "broken"\ndruid = "broken"\n'
    assert problems(workspace, text) == ["line 50: left-out.celery: is one of the extras, too"]
