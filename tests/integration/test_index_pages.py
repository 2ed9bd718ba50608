"""The pages for people in a real browser: no wider than a phone, and what they say is there to see."""

from __future__ import annotations

import functools
import io
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from index_fixtures import make_wheel
from torture import wheel

from astronomer_certified.index.api import notes
from astronomer_certified.index.api.notes import Fix, Note
from astronomer_certified.index.copies import static_files
from astronomer_certified.index.store.store import Store, Upload

pytestmark = pytest.mark.needs("chromium")

# Asks the page, in a frame as wide as a screen, what no picture tells a test.
HARNESS = """
<iframe id="f" width="WIDTH" height="800" src="PAGE"></iframe>
<script>
document.getElementById("f").onload = (event) => {
  const shown = event.target.contentDocument, pre = shown.querySelector("pre"), view = event.target.contentWindow;
  for (const folded of shown.querySelectorAll("details")) folded.open = true;
  const style = view.getComputedStyle(shown.body);
  const link = shown.querySelector("main a[href]");
  link.focus({focusVisible: true});
  document.title = ["width", shown.documentElement.scrollWidth, "install", pre.scrollWidth - pre.clientWidth,
                    "ink", style.color, "paper", style.backgroundColor, "images", shown.images.length,
                    "focus", view.getComputedStyle(link).outlineWidth, "ran", String(view.ran)].join("|");
};
</script>
"""

DESCRIPTION = """
# What it is

![tracker](https://tracker.example/x.png) <script>window.ran = 1</script> <p onclick="window.ran = 1">x</p>

| a column | another | a third | a fourth | a fifth | a sixth | a seventh |
|---|---|---|---|---|---|---|
| a-very-long-word-without-any-break-in-it | b | c | d | e | f | g |

```
a line of code that is longer than any phone is wide, and a good deal longer than most people would like to read
```

a-very-long-word-without-any-break-in-it-at-all-that-goes-on-for-longer-than-a-phone-is-wide
"""


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def described() -> tuple[str, bytes]:
    """A wheel with a description that is no friend of phones; its name and bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = make_wheel(Path(folder), "described", text=DESCRIPTION)
        return path.name, path.read_bytes()


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """An export with one certified release of many fixes, served; its address and its folder."""
    root = tmp_path_factory.mktemp("pages")
    store = Store.open(root / "packages")
    filename, content = wheel("astronomer_certified", "2.1.0.post1", b"x")
    store.add(Upload(filename=filename), io.BytesIO(content))
    filename, content = described()
    store.add(Upload(filename=filename), io.BytesIO(content))
    fixes = tuple(
        Fix(
            title=f"Fix number {n} of many",
            cves=(f"CVE-2021-{n}",),
            upstream="2.1.3",
            proof="test_a_long_name_of_it.py",
        )
        for n in range(35936, 35946)
    )
    note = Note(
        version="2.1.0.post1", tag="2.1.0-1", upstream="2.1.0", patched="2.1.0+astro.1", pythons=("3.6", "3.7", "3.8"),
        cutoff="2021-05-28", fixes=fixes, providers={"apache-airflow-providers-http": "1.1.0"},
        constraints={"3.8": "a-very-long-line==1.0 " * 30}, certificate="{}",
    )  # fmt: skip
    notes.write(store, [note])
    target = root / "export"
    static_files.write(store, target, static_files.Serving(public_url="https://packages.example.internal/certified/"))
    handler = functools.partial(Silent, directory=str(target / "current"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", target / "current"
        server.shutdown()


@pytest.mark.parametrize(
    "page",
    [
        "/index.html", "/project/astronomer-certified/index.html", "/project/described/index.html",
        "/project/described/1.0/index.html",
    ],
)  # fmt: skip
@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_page_fits_its_screen_and_follows_its_theme(
    static: tuple[str, Path], page: str, width: int, dark: bool
) -> None:
    url, folder = static
    (folder / "harness.html").write_text(HARNESS.replace("PAGE", page).replace("WIDTH", str(width)))
    words = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "--virtual-time-budget=3000"]
    words += ["--window-size=1400,900", *(["--blink-settings=preferredColorScheme=0"] if dark else [])]
    done = subprocess.run([*words, f"{url}/harness.html"], capture_output=True, text=True, timeout=60, check=True)

    found = re.search(r"<title>(.*?)</title>", done.stdout)
    assert found is not None, done.stdout[:500]
    values = found[1].split("|")
    measured = dict(zip(values[::2], values[1::2], strict=True))
    assert int(measured["width"]) <= width
    assert int(measured["install"]) <= 0  # the whole command is in sight
    assert measured["paper"] == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")
    assert measured["ink"] == ("rgb(230, 237, 243)" if dark else "rgb(27, 31, 36)")
    assert (measured["images"], measured["ran"]) == ("0", "undefined")
    assert measured["focus"] == "3px"
