"""Diffs as git and diff write them: read whole, applied to the letter, refused otherwise."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from factories import diff_of

from astronomer_certified.patches import diffs, hunks
from astronomer_certified.patches.diffs import FileDiff, MalformedDiff
from astronomer_certified.patches.hunks import HunkRefused

NUMBERS = "".join(f"line {number}\n" for number in range(1, 31))


def only(text: str | bytes) -> FileDiff:
    """The one diff of a patch."""
    _, (file,) = diffs.parse(text.encode() if isinstance(text, str) else text)
    return file


def applied(content: str | bytes, text: str | bytes) -> bytes:
    content = content.encode() if isinstance(content, str) else content
    return b"".join(hunks.apply(diffs.split_lines(content), only(text).hunks)[0])


def hunk(body: str, *, start: int = 1, name: str = "a.py") -> str:
    """A diff with one hunk whose header counts the body's lines."""
    old = sum(line[0] in " -" for line in body.splitlines())
    new = sum(line[0] in " +" for line in body.splitlines())
    return f"--- a/{name}\n+++ b/{name}\n@@ -{start},{old} +{start},{new} @@\n{body}"


# --- what git says of two trees

ROUND_TRIPS: dict[str, tuple[dict[str, str | bytes], dict[str, str | bytes]]] = {
    "a change": ({"a.py": NUMBERS}, {"a.py": NUMBERS.replace("line 15", "LINE 15")}),
    "several changes": ({"a.py": NUMBERS}, {"a.py": NUMBERS.replace("5", "five")}),
    "a new file": ({}, {"pkg/new.py": "a\nb\n"}),
    "a new empty file": ({}, {"pkg/__init__.py": ""}),
    "a file that grows from nothing": ({"a.py": ""}, {"a.py": "a\n"}),
    "a file that is emptied": ({"a.py": "a\n"}, {"a.py": ""}),
    "a deleted file": ({"pkg/old.py": "a\nb\n"}, {}),
    "a deleted empty file": ({"pkg/__init__.py": ""}, {}),
    "a rename": ({"old.py": NUMBERS}, {"new.py": NUMBERS}),
    "a rename with a change": ({"old.py": NUMBERS}, {"pkg/new.py": NUMBERS.replace("line 15", "LINE 15")}),
    "no newline before": ({"a.py": "a\nb"}, {"a.py": "a\nb\n"}),
    "no newline after": ({"a.py": "a\nb\n"}, {"a.py": "a\nb"}),
    "no newline on either side": ({"a.py": "a\nb"}, {"a.py": "A\nb"}),
    "no newline and another last line": ({"a.py": "a\nb"}, {"a.py": "a\nc"}),
    "a new file without a newline": ({}, {"a.py": "a"}),
    "CRLF": ({"a.py": "a\r\nb\r\nc\r\n"}, {"a.py": "a\r\nB\r\nc\r\n"}),
    "CRLF to LF": ({"a.py": "a\r\nb\r\n"}, {"a.py": "a\nb\n"}),
    "a lone CR": ({"a.py": "a\rb\nc\n"}, {"a.py": "a\rB\nc\n"}),
    "form feeds and line separators": (
        {"a.py": "a\fb\x0b\x1c\nc\u2028d\n"},
        {"a.py": "a\fb\x0b\x1c\nc\u2028D\n"},
    ),
    "bytes that are no UTF-8": ({"a.py": b"\xff\n\xfe\n"}, {"a.py": b"\xff\n\xfd\n"}),
    "a name with spaces": ({"a b.py": "a\n"}, {"a b.py": "b\n"}),
    "a new empty file with spaces": ({}, {"a b/c d.py": ""}),
    "a name with an umlaut": ({"\u00e4.py": "a\n"}, {"\u00e4.py": "b\n"}),
    "a name with an umlaut and spaces": ({"\u00e4 b.py": "a\n"}, {"\u00e4 b.py": "b\n"}),
    "a new empty file with an umlaut": ({}, {"\u00e4 b.py": ""}),
    "a name with a quote, a backslash and a tab": ({'"\\101\t.py': "a\n"}, {'"\\101\t.py': "b\n"}),
    "a rename of quoted names": ({"\u00e4.py": NUMBERS}, {"\u00f6 x.py": NUMBERS}),
    "a removed line that looks like a header": (
        {"a.sql": "-- a/b\n-- \n++ c\nend\n"},
        {"a.sql": "end\n"},
    ),
    "lines that look like a diff": (
        {"a.txt": "x\n"},
        {"a.txt": "x\n--- a/b\n+++ b/b\n@@ -1 +1 @@\ndiff --git a/b b/b\n\\ No newline at end of file\n"},
    ),
}


@pytest.mark.parametrize(("before", "after"), ROUND_TRIPS.values(), ids=ROUND_TRIPS)
def test_what_git_says_of_two_trees_makes_the_second_of_the_first(
    tmp_path: Path, before: Mapping[str, str | bytes], after: Mapping[str, str | bytes]
) -> None:
    _, files = diffs.parse(diff_of(before, after, tmp_path))
    tree = {name: content.encode() if isinstance(content, str) else content for name, content in before.items()}
    for file in files:
        old = tree.pop(file.old) if file.old is not None else b""
        lines, offsets = hunks.apply(diffs.split_lines(old), file.hunks)
        assert offsets == []
        if file.new is not None:
            tree[file.new] = b"".join(lines)
        else:
            assert lines == []
    assert tree == {name: content.encode() if isinstance(content, str) else content for name, content in after.items()}


@pytest.mark.parametrize("options", [("-U0",), ("-U1",), ("-U30",), ("--patience",), ("--binary",)], ids=" ".join)
def test_other_settings_of_git_are_read_as_well(tmp_path: Path, options: tuple[str, ...]) -> None:
    after = NUMBERS.replace("5", "five").removesuffix("\n")
    text = diff_of({"a.py": NUMBERS}, {"a.py": after}, tmp_path, *options)
    assert applied(NUMBERS, text) == after.encode()


def test_a_mode_change_is_read_without_hunks() -> None:
    file = only("diff --git a/run.sh b/run.sh\nold mode 100644\nnew mode 100755\n")
    assert (file.path, file.new_mode, file.hunks) == ("run.sh", 0o100755, ())


def test_a_new_executable_file_keeps_its_mode() -> None:
    text = "diff --git a/run b/run\nnew file mode 100755\n--- /dev/null\n+++ b/run\n@@ -0,0 +1 @@\n+x\n"
    assert only(text).new_mode == 0o100755


def test_diffs_of_other_tools_are_read(tmp_path: Path) -> None:
    text = "Index: demo/a.py\n===================================================================\n" + hunk(
        " a\n-b\n+c\n"
    )
    assert applied("a\nb\n", text) == b"a\nc\n"
    dated = "--- demo-1.0.orig/a.py\t2021-05-21 12:48:09.000000000 +0000\n+++ demo-1.0/a.py\t2021-05-22\n"
    dated += "@@ -1 +1 @@\n-b\n+c\n"
    assert only(dated).path == "a.py"
    assert applied("b\n", dated) == b"c\n"


def test_a_mail_of_git_format_patch_is_read_with_its_footer() -> None:
    text = "From: A\nSubject: B\n\nWhy.\n---\n a.py | 2 +-\n\n" + hunk(" a\n-b\n+c\n") + "-- \n2.39.2\n\n"
    header, (file,) = diffs.parse(text.encode())
    assert header.startswith(b"From: A\n")
    assert file.path == "a.py"


@pytest.mark.parametrize("name", ["notes from upstream.md", "way to go.md", "from to.md"])
def test_a_renamed_file_may_have_words_of_git_in_its_name(name: str) -> None:
    text = f"diff --git a/LICENSE b/{name}\nsimilarity index 100%\nrename from LICENSE\nrename to {name}\n"
    assert (only(text).old, only(text).new) == ("LICENSE", name)


def test_text_that_differs_in_line_ends_only_is_named_so() -> None:
    diff = only("--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-a\r\n+b\r\n")
    with pytest.raises(HunkRefused, match="only the line ends differ"):
        hunks.apply([b"a\n"], diff.hunks)


def test_an_empty_context_line_may_have_lost_its_blank() -> None:
    assert applied("a\n\nb\n", "--- a/a\n+++ b/a\n@@ -1,3 +1,3 @@\n a\n\n-b\n+c\n") == b"a\n\nc\n"


# --- where a hunk may go


def test_hunks_behind_an_insertion_are_found_with_the_same_drift() -> None:
    text = (
        hunk(" line 5\n-line 6\n+SIX\n line 7\n", start=5) + "@@ -20,3 +20,3 @@\n line 20\n-line 21\n+21!\n line 22\n"
    )
    content = diffs.split_lines(("new\n" * 4 + NUMBERS).encode())
    lines, offsets = hunks.apply(content, only(text).hunks)
    assert offsets == [(1, 5, 9)]
    assert (lines[9], lines[24]) == (b"SIX\n", b"21!\n")


def test_several_hunks_with_growing_drift_are_found_and_reported(tmp_path: Path) -> None:
    text = diff_of({"a": NUMBERS}, {"a": NUMBERS.replace("line 5\n", "FIVE\n").replace("line 25\n", "25!\n")}, tmp_path)
    shifted = "one\n" + NUMBERS.replace("line 15\n", "line 15\nmore\nmore\n")
    lines, offsets = hunks.apply(diffs.split_lines(shifted.encode()), only(text).hunks)
    assert b"".join(lines).decode() == shifted.replace("line 5\n", "FIVE\n").replace("line 25\n", "25!\n")
    assert offsets == [(1, 2, 3), (2, 22, 25)]


def test_text_that_stands_at_two_other_places_is_refused() -> None:
    text = hunk(" def f():\n-    return 1\n+    return 2\n \n", start=9)
    content = b"def f():\n    return 1\n\n" * 2
    with pytest.raises(HunkRefused, match=r"its text stands at several places \(lines 1, 4\)") as caught:
        hunks.apply(diffs.split_lines(content), only(text).hunks)
    assert (caught.value.hunk, caught.value.line) == (1, 9)


def test_text_at_the_stated_line_wins_over_the_same_text_elsewhere() -> None:
    text = hunk(" def f():\n-    return 1\n+    return 2\n \n", start=4)
    content = "def f():\n    return 1\n\n" * 3
    assert applied(content, text).decode().splitlines()[4] == "    return 2"
    assert applied(content, text).count(b"return 2") == 1


def test_a_hunk_that_overlaps_the_one_before_it_is_refused() -> None:
    text = hunk(" line 1\n-line 2\n+TWO\n line 3\n") + "@@ -2,2 +2,2 @@\n-line 2\n+two\n line 3\n"
    with pytest.raises(HunkRefused, match="overlaps the hunk before it") as caught:
        applied(NUMBERS, text)
    assert caught.value.hunk == 2


def test_a_hunk_out_of_order_is_refused() -> None:
    text = hunk(" line 9\n-line 10\n+TEN\n line 11\n", start=9) + "@@ -2,3 +2,3 @@\n line 2\n-line 3\n+3!\n line 4\n"
    with pytest.raises(HunkRefused):
        applied(NUMBERS, text)


def test_the_refusal_names_the_first_line_that_differs() -> None:
    text = hunk(" line 9\n-line 10\n+TEN\n line 11\n", start=9)
    with pytest.raises(HunkRefused) as caught:
        applied(NUMBERS.replace("line 10", "line ten"), text)
    error = caught.value
    assert (error.hunk, error.line, error.expected, error.found) == (1, 10, b"line 10\n", b"line ten\n")


def test_the_refusal_of_a_later_hunk_looks_where_the_one_before_it_was_found() -> None:
    text = (
        hunk(" line 5\n-line 6\n+SIX\n line 7\n", start=5) + "@@ -20,3 +20,3 @@\n line 20\n-line 21\n+21!\n line 22\n"
    )
    with pytest.raises(HunkRefused) as caught:
        applied("new\n" * 4 + NUMBERS.replace("line 21\n", "LINE 21\n"), text)
    error = caught.value
    assert (error.hunk, error.line, error.expected, error.found) == (2, 25, b"line 21\n", b"LINE 21\n")


@pytest.mark.parametrize(
    ("expected", "found"),
    [("a\n", "a \n"), ("a\n", "a\r\n"), ("a\n", "A\n"), ("\ta\n", "        a\n"), ("a\n", "a")],
    ids=["blank at the end", "CRLF", "case", "tab", "no newline"],
)
def test_white_space_case_and_line_ends_count(expected: str, found: str) -> None:
    with pytest.raises(HunkRefused):
        applied(f"x\n{found}", hunk(f" x\n-{expected}+b\n"))


def test_a_hunk_that_ends_with_its_file_fits_nowhere_else() -> None:
    text = hunk(" line 28\n line 29\n line 30\n+line 31\n", start=28)
    assert applied(NUMBERS, text).endswith(b"line 31\n")
    with pytest.raises(HunkRefused, match="not at the end of the file"):
        applied(NUMBERS + "more\n", text)


def test_a_last_line_without_a_newline_swallows_no_other() -> None:
    text = "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\n"
    assert applied("a\n", text) == b"b"
    with pytest.raises(HunkRefused, match="not at the end of the file"):
        applied("a\nmore\n", text)


def test_a_hunk_that_begins_with_its_file_fits_nowhere_else() -> None:
    text = hunk("+line 0\n line 1\n line 2\n line 3\n")
    assert applied(NUMBERS, text).startswith(b"line 0\n")
    with pytest.raises(HunkRefused, match="not at the beginning of the file"):
        applied("more\n" + NUMBERS, text)


@pytest.mark.parametrize("line", [0, 1], ids=["before the first line", "behind the first line"])
def test_an_insertion_without_context_is_not_put_into_a_full_file(line: int) -> None:
    with pytest.raises(HunkRefused, match="it has no context, and the file is not empty"):
        applied("a\n", f"--- a/a\n+++ b/a\n@@ -{line},0 +{line + 1} @@\n+b\n")


def test_a_file_that_is_too_short_is_refused() -> None:
    with pytest.raises(HunkRefused) as caught:
        applied("line 9\n", hunk(" line 9\n-line 10\n+TEN\n line 11\n", start=9))
    assert caught.value.found is None


# --- what is no diff

HEAD = "--- a/a\n+++ b/a\n"

MALFORMED = {
    "a hunk header without ranges": (HEAD + "@@ nonsense @@\n", "line 3: not a hunk header"),
    "too few lines": (HEAD + "@@ -1,3 +1,3 @@\n a\n-b\n+c\n", "line 3: the hunk ends before its 3 old and 3 new lines"),
    "too many lines": (HEAD + "@@ -1,1 +1,1 @@\n-a\n+b\n c\n", "line 6: text that belongs to no hunk"),
    "an old line too many": (HEAD + "@@ -1,1 +1,2 @@\n-a\n-b\n+c\n+d\n", "line 3: the hunk has 2 old and 2 new lines"),
    "a line without its sign": (
        HEAD + "@@ -1,2 +1,2 @@\n a\nb\n",
        "line 5: neither context, removal nor addition: b'b",
    ),
    "'No newline' before any line": (HEAD + "@@ -1 +1 @@\n\\ No newline at end of file\n-a\n+b\n", "stray"),
    "'No newline' in the middle": (
        HEAD + "@@ -1 +1,2 @@\n-a\n+b\n\\ No newline at end of file\n+c\n",
        "line 3: a line without a newline that is not the last",
    ),
    "cut off in the middle of a line": (HEAD + "@@ -1 +1 @@\n-a\n+b", "line 5: the patch ends in the middle of a line"),
    "'---' without '+++'": ("diff --git a/a b/a\nindex 1..2\n--- a/a\n@@ -1 +1 @@\n-a\n+b\n", "'---' without a '+++'"),
    "from nothing to nothing": ("--- /dev/null\n+++ /dev/null\n@@ -0,0 +0,0 @@\n", "from nothing to nothing"),
    "no hunk": (HEAD, "without a hunk changes nothing"),
    "no hunk with git's header": ("diff --git a/a b/a\nindex 1..2 100644\n" + HEAD, "without a hunk changes nothing"),
    "a hunk header that lost its sign": (
        "diff --git a/a b/a\nnew file mode 100644\n--- /dev/null\n+++ b/a\n@ -0,0 +1 @@\n+a\n",
        "line 5: text that belongs to no hunk",
    ),
    "a file header that lost its sign": (
        "diff --git a/a b/b\nrename from a\nrename to b\n-- a/a\n+++ b/b\n@@ -1 +1 @@\n-a\n+b\n",
        "line 4: not a line of a diff's header",
    ),
    "another name without a rename": ("--- a/a\n+++ b/b\n@@ -1 +1 @@\n-a\n+b\n", "names 'a' and 'b', but no rename"),
    "half a rename": ("diff --git a/a b/b\nrename from a\n", "half a rename"),
    "the other half of a rename": ("diff --git a/a b/b\nrename to b\n", "half a rename"),
    "a copy": ("diff --git a/a b/b\nsimilarity index 100%\ncopy from a\ncopy to b\n", "copies are not supported"),
    "a git binary patch": (
        "diff --git a/a b/a\nindex 1..2 100644\nGIT binary patch\nliteral 1\n",
        "line 3: binary change",
    ),
    "binary files": ("diff --git a/a b/a\nindex 1..2\nBinary files a/a and b/a differ\n", "line 3: binary change"),
    "a symbolic link": (
        "diff --git a/a b/a\nnew file mode 120000\n--- /dev/null\n+++ b/a\n@@ -0,0 +1 @@\n+/etc/passwd\n",
        "mode 120000 is neither a plain nor an executable file",
    ),
    "a submodule": ("diff --git a/a b/a\nnew file mode 160000\n", "mode 160000"),
    "a mode that is no number": (
        "diff --git a/a b/a\nold mode 100644\nnew mode 10x755\n",
        "line 3: not a mode: '10x755'",
    ),
    "git names that cannot be told apart": ("diff --git a/a b/b\nnew file mode 100644\n", "cannot read the file names"),
    "a combined diff": ("diff --cc a\n--- a/a\n+++ b/a\n@@@ -1 -1 +1 @@@\n--a\n++b\n", ""),
}


@pytest.mark.parametrize(("text", "why"), MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_whole_diff_is_refused_with_its_line(text: str, why: str) -> None:
    with pytest.raises(MalformedDiff) as caught:
        diffs.parse(text.encode())
    assert why in str(caught.value)
    assert str(caught.value).startswith("line ")


ESCAPES = {
    "up": "a/../evil",
    "up on the way": "a/pkg/../../evil",
    "absolute": "a//etc/evil",
    "quoted": '"a/../evil"',
    "octal": '"a/\\056\\056/evil"',
    "empty": "a/",
    "without a first component": "evil",
    "a NUL": '"a/e\\000vil"',
}


@pytest.mark.parametrize(
    ("name", "side"),
    [
        pytest.param(name, side, id=f"{what}, {side}")
        for what, name in ESCAPES.items()
        for side in ("old", "new", "git", "rename")
        if (name, side) != ("evil", "rename")  # the names of a rename have no first component to lose
    ],
)
def test_a_path_out_of_the_tree_is_refused(name: str, side: str) -> None:
    bare = name.replace("a/", "", 1)
    texts = {
        "old": f"--- {name}\n+++ b/ok\n@@ -1 +1 @@\n-a\n+b\n",
        "new": f"--- a/ok\n+++ {name}\n@@ -1 +1 @@\n-a\n+b\n",
        "git": f"diff --git {name} {name}\nnew file mode 100644\n",
        "rename": f"diff --git a/ok b/ok\nrename from ok\nrename to {bare}\n",
    }
    with pytest.raises(MalformedDiff, match=r"leads out of the source tree|cannot read the file names"):
        diffs.parse(texts[side].encode())


# --- random files, against the real tools

LINES = [
    *(b"a\n", b"b\n", b"\n", b"    x = 1\n", b" \n", b"c\r\n", b"\r\n", b"\xff\n", b"+\n", b"-\n"),
    *(b"-- \n", b"--- a/f\n", b"+++ b/f\n", b"@@ -1 +1 @@\n", b"diff --git a/f b/f\n"),
    b"\\ No newline at end of file\n",
]


def random_file(dice: random.Random) -> bytes:
    content = b"".join(dice.choices(LINES, k=dice.choice([0, 1, 3, 12, 40])))
    return content.removesuffix(b"\n") if dice.random() < 0.3 else content


def edited(dice: random.Random, content: bytes) -> bytes:
    lines = diffs.split_lines(content)
    for _ in range(dice.choice([1, 1, 2, 5])):
        at = dice.randrange(len(lines) + 1)
        lines[at : at + dice.choice([0, 0, 1, 2])] = dice.choices(LINES, k=dice.choice([0, 1, 3]))
    result = b"".join(lines)
    return result.removesuffix(b"\n") if dice.random() < 0.2 else result


def git_diff(a: bytes, b: bytes, folder: Path, context: int) -> bytes:
    for name, content in (("a", a), ("b", b)):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "f").write_bytes(content)
    words = ["git", "diff", "--no-index", "--no-prefix", "--text", f"-U{context}", "a/f", "b/f"]
    return subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, check=False).stdout


@pytest.mark.parametrize("seed", range(100))
def test_the_diff_of_two_random_files_makes_the_second_of_the_first(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    a = random_file(dice)
    b = edited(dice, a) if dice.random() < 0.7 else random_file(dice)
    text = git_diff(a, b, tmp_path, dice.choice([1, 3, 3, 3]))
    if a == b:
        assert text == b""
        return
    lines, offsets = hunks.apply(diffs.split_lines(a), only(text).hunks)
    assert b"".join(lines) == b
    assert offsets == []


@pytest.mark.skipif(shutil.which("patch") is None, reason="compares with GNU patch")
@pytest.mark.parametrize("seed", range(100))
def test_on_a_source_that_has_moved_on_it_agrees_with_gnu_patch_or_is_stricter(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    a = random_file(dice)
    b = edited(dice, a)
    if b"" in (a, b) or a == b:
        a, b = b"a\nb\nc\n", b"a\nB\nc\n"
    text = git_diff(a, b, tmp_path, 3)
    moved = edited(dice, a)
    try:
        ours = applied(moved, text)
    except HunkRefused:
        return  # being stricter is allowed: GNU patch takes the nearest of several places
    (tmp_path / "f").write_bytes(moved)
    words = ["patch", "-p1", "--fuzz=0", "--batch", "--forward", "--binary", "--posix", "--input=diff", "f"]
    (tmp_path / "diff").write_bytes(text)
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, check=False)
    theirs = (tmp_path / "f").read_bytes() if (tmp_path / "f").exists() else b""
    assert done.returncode == 0, done.stdout
    assert ours == theirs
