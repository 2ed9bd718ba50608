"""The mark on Airflow's website: for who is logged in, with a page for who may see it, and in nobody's way.

The website is one of fakes here; it was looked at in a browser with real ones.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from payload_fixtures import Installed, bare

# A website with a page that the mark goes through. Prints what came of page, view and menu.
WEBSITE = """
import json, os, sys
from astronomer_certified.mark import Mark

class Item:
    def __init__(self, name): self.name = name

class Builder:
    menu = type("Menu", (), {"menu": [Item(name) for name in sys.argv[2].split()]})
    class sm:
        def has_access(permission, name):
            return (permission, name, os.environ["USER_IS"]) == ("can_read", "Astronomer Certified", "admin")
    def add_view(self, view, name, label, category):
        if "breaks" in sys.argv[2]:
            raise OSError("no menu")
        said.update(view=view, name=name, label=label, category=category)

class Admin:
    def add_view(self, view): said.update(view=view, **view.named)

class App:
    def __init__(self):
        self.after, self.extensions = [], {"admin": [Admin()]}
        if sys.argv[1] == "appbuilder":
            self.appbuilder = Builder()
    def after_request(self, function): self.after.append(function)

class Response:
    mimetype, status_code, direct_passthrough, is_streamed = "text/html", 200, False, False
    def __init__(self, text, headers): self.text, self.headers = text.encode(), headers
    def get_data(self): return self.text
    def set_data(self, text): self.text = text

said = {}
app = App()
[blueprint] = Mark.flask_blueprints
for function in blueprint.recorded:
    function(type("State", (), {"app": app}))
response = Response(sys.argv[3], json.loads(sys.argv[4]))
for name, value in json.loads(sys.argv[5]).items():
    setattr(response, name, value)
for function in app.after:
    assert function(response) is response
view = said.pop("view", None)
if view is not None:
    said["permissions"] = getattr(view, "base_permissions", None)
    template, shown = (view() if isinstance(view, type) else view).show()
    said.update(template=template, problem=shown["problem"], pins=shown["pins"], counted=shown["counted"])
    said["asks"] = getattr(view.show, "asks", False) or hasattr(view, "is_accessible")
print(json.dumps(dict(said, page=response.text.decode())))
"""
PAGE = "<html><body><p>a &lt;/body&gt;</p></body></html>"
FOOTER = (
    '<body><footer class="footer">\n <div class="container">\n  <div>Version</div><div></div></div></footer></body>'
)
MARK = '<span id="astronomer-certified">{}</span>'


def website(
    installed: Installed, *, kind: str = "appbuilder", menu: str = "About Docs", page: str = PAGE, user: str = "admin",
    headers: dict[str, str] | None = None, **response: object,
) -> dict[str, object]:  # fmt: skip
    words = [kind, menu, page, json.dumps(headers or {}), json.dumps(response)]
    done = subprocess.run(
        [installed.folder / "bin" / "python", "-c", WEBSITE, *words],
        env={**bare(installed.folder), "USER_IS": user}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("kind", "endpoint"), [("appbuilder", "CertifiedView.show"), ("classic", "certified_page.show")]
)
def test_who_may_see_the_page_has_a_link_to_it_under_the_prefix_of_the_website(
    installed: Installed, kind: str, endpoint: str
) -> None:
    mark = MARK.format(f'<a href="/prefix/{endpoint}">Astronomer Certified 2.1.0-4</a>')
    row = f'<div class="container text-muted">{mark}</div>'
    found = website(installed, kind=kind)
    assert found["page"] == PAGE.replace("</body>", f"{row}</body>")
    assert found["asks"]


@pytest.mark.parametrize("kind", ["appbuilder", "classic"])
def test_who_is_logged_in_sees_the_mark_and_a_stranger_does_not(installed: Installed, kind: str) -> None:
    assert f"{MARK.format('Astronomer Certified 2.1.0-4')}</div></body>" in str(
        website(installed, kind=kind, user="viewer")["page"]
    )
    assert website(installed, kind=kind, user="nobody")["page"] == PAGE


def test_in_the_footer_of_2_x_it_is_the_beginning_of_the_first_line(installed: Installed) -> None:
    found = website(installed, page=FOOTER, user="viewer")
    mark = MARK.format("Astronomer Certified 2.1.0-4")
    assert found["page"] == FOOTER.replace("<div>Version", f"<div>{mark} &middot; Version")


@pytest.mark.parametrize(
    "changes",
    [
        {"mimetype": "application/json"},
        {"status_code": 302},
        {"direct_passthrough": True},
        {"is_streamed": True},
        {"headers": {"Content-Encoding": "gzip"}},
        {"headers": {"ETag": "1"}},
        {"page": "<p>part of a page</p>"},
    ],
    ids=str,
)
def test_what_is_no_whole_page_stays_as_it_is(installed: Installed, changes: dict[str, object]) -> None:
    page = str(changes.get("page", PAGE))
    assert website(installed, **{**changes, "page": page})["page"] == page  # type: ignore[arg-type]


def test_the_permission_of_its_place_in_the_menu_is_one_of_the_page(installed: Installed) -> None:
    """The framework takes all others of that name from every role whenever a process of the website starts."""
    assert website(installed)["permissions"] == ["can_read", "menu_access"]


def test_the_page_shows_the_release_and_the_pins_that_are_installed(installed: Installed) -> None:
    found = website(installed)
    assert found["template"] == "astronomer_certified/appbuilder.html"
    assert (found["name"], found["label"]) == ("Astronomer Certified", "Astronomer Certified 2.1.0-4")
    assert found["counted"] == "1 fixed, 1 in upstream, 2 affected"
    assert found["pins"] == [["flask", "1.1.4", "1.1.4"]]
    assert website(installed, kind="classic")["template"] == "astronomer_certified/classic.html"


@pytest.mark.parametrize(("menu", "category"), [("DAGs About Docs", "About"), ("DAGs Docs", "Docs")])
def test_the_page_is_in_a_menu_that_is_there(installed: Installed, menu: str, category: str) -> None:
    assert website(installed, menu=menu)["category"] == category


@pytest.fixture
def broken(installed: Installed) -> Iterator[None]:
    """The release is not known."""
    path = installed.site / "astronomer_certified" / "release.json"
    whole = path.read_bytes()
    path.write_text("{")
    yield
    path.write_bytes(whole)


@pytest.mark.usefixtures("broken")
def test_without_a_release_the_mark_has_no_version_and_the_page_says_why(installed: Installed) -> None:
    found = website(installed, user="viewer")
    assert MARK.format("Astronomer Certified") in str(found["page"])
    assert "its release.json is missing or broken" in str(found["problem"])
    assert str(installed.site) not in str(found["problem"])


def test_a_website_that_has_no_place_for_it_works_without(installed: Installed) -> None:
    assert website(installed, menu="breaks")["page"] == PAGE


def test_it_costs_less_than_20_ms_where_a_command_of_airflow_starts(installed: Installed) -> None:
    """What the mark needs beside what Airflow has imported. The quickest of several: others are at work here, too."""
    program = "import json, logging, airflow.plugins_manager, flask; import astronomer_certified.mark"
    words = [installed.folder / "bin" / "python", "-X", "importtime", "-c", program]
    if installed.site.parent.name == "python3.6":
        pytest.skip("-X importtime is of Python 3.7")
    spent = [1000.0]
    while min(spent) >= 20 and len(spent) < 25:
        done = subprocess.run(words, env=bare(installed.folder), capture_output=True, text=True, check=True)
        [line] = re.findall(r"\| +(\d+) \| +astronomer_certified\.mark$", done.stderr, re.MULTILINE)
        spent.append(int(line) / 1000)
    assert min(spent) < 20


def test_nothing_else_of_the_payload_imports_airflow(installed: Installed) -> None:
    modules = [path.stem for path in (installed.site / "astronomer_certified").glob("*.py")]
    assert {"mark", "command", "doctor"} < set(modules)
    imports = "; ".join(f"import astronomer_certified.{name}" for name in modules if name not in ("mark", "__init__"))
    words = [installed.folder / "bin" / "python", "-c", f"{imports}; import sys; print(*sys.modules)"]
    done = subprocess.run(words, env=bare(installed.folder), capture_output=True, text=True, check=True)
    assert {"airflow", "flask", "kombu", "alembic"} & set(done.stdout.split()) == set()


def test_airflow_finds_the_mark_by_its_entry_point(installed: Installed) -> None:
    [path] = Path(installed.site).glob("astronomer_certified-*.dist-info/entry_points.txt")
    assert "[airflow.plugins]\nastronomer_certified = astronomer_certified.mark:Mark\n" in path.read_text()
