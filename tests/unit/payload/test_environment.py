"""The environment file means the same to us, to systemd and to a shell, or it is refused with its line."""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astronomer_certified.payload import environment

SYSTEMD = next(iter(Path("/usr/lib").glob("**/systemd/libsystemd-shared-*.so")), None)

DASH = Path("/bin/dash")

with_both = pytest.mark.skipif(SYSTEMD is None or not DASH.exists(), reason="no systemd, or no dash, on this machine")


def by_systemd(path: Path) -> dict[str, str]:
    """What systemd's own reader of EnvironmentFile= finds, without what it then drops."""
    assert SYSTEMD is not None
    library = ctypes.CDLL(str(SYSTEMD))
    libc = ctypes.CDLL(None)
    libc.fopen.restype = ctypes.c_void_p
    found = ctypes.POINTER(ctypes.c_char_p)()
    file = ctypes.c_void_p(libc.fopen(os.fsencode(path), b"re"))
    assert library.load_env_file(file, os.fsencode(path), ctypes.byref(found)) >= 0
    libc.fclose(file)
    library.strv_env_clean_with_callback.restype = ctypes.POINTER(ctypes.c_char_p)
    kept = library.strv_env_clean_with_callback(found, None, None)
    lines: list[str] = []
    while kept and kept[len(lines)] is not None:
        lines.append(kept[len(lines)].decode())
    return dict(line.split("=", 1) for line in lines)


def by_shell(path: Path) -> dict[str, str]:
    """What `set -a; . FILE` sets in dash."""
    words = ["env", "-i", DASH, "-c", 'set -a; . "$0"; exec /usr/bin/env -0', path]
    done = subprocess.run(words, capture_output=True, check=True)
    assert done.stderr == b""
    variables = dict(line.split("=", 1) for line in done.stdout.decode().split("\0") if line)
    return {name: value for name, value in variables.items() if name not in ("PWD", "_", "OLDPWD")}


def by_us(path: Path) -> dict[str, str]:
    return {name: value for name, (value, _) in environment.read(str(path)).items()}


VALUE = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.text(
    " \"'\\$`#;=~:\n\té\u2028a", max_size=8
)


@with_both
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(VALUE, min_size=30, max_size=60))
def test_a_value_that_was_written_is_read_as_it_was_by_all_three(tmp_path: Path, values: list[str]) -> None:
    written = {}
    for number, value in enumerate(values):
        try:
            written[f"V{number}"] = (value, environment.quoted(value))
        except ValueError:
            assert environment._CONTROL.search(value)
    path = tmp_path / "file"
    path.write_text("".join(f"{name}={text}\n" for name, (_, text) in written.items()), newline="")

    meant = {name: value for name, (value, _) in written.items()}
    assert by_us(path) == meant
    assert by_shell(path) == meant
    assert by_systemd(path) == meant


PIECE = st.sampled_from([*"AB=\n\n\n'\"\\$`#; \t:~é*!", "A=", "B=", "C= ", "export ", "\\\n", "\r\n", "{a,b}", "\x0b"])


@with_both
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(PIECE, max_size=14))
def test_a_file_that_is_accepted_means_the_same_to_all_three(tmp_path: Path, pieces: list[str]) -> None:
    path = tmp_path / "file"
    path.write_bytes("".join(pieces).encode())
    try:
        meant = by_us(path)
    except environment.Malformed:
        return
    assert by_shell(path) == meant
    assert by_systemd(path) == meant


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("A=1\nexport B=2\n", 2, "systemd knows no `export`"),
        ("A=1\n\n; old\n", 3, "a comment begins with #"),
        ("A = 1\n", 1, "no NAME=VALUE"),
        ("A=a b\n", 1, "'b' needs double quotes"),
        ("A=$HOME\n", 1, "'$' needs double quotes"),
        ("A=~/x\n", 1, "'~' needs double quotes"),
        ('A="$HOME"\n', 1, "a shell expands $, systemd does not"),
        ('A="a\nb\n', 1, "a double quote that does not end"),
        ("A='a\n", 1, "a single quote that does not end"),
        ("A='a\\b'\n", 1, "a backslash in single quotes"),
        ('A="a\\n"\n', 1, "may drop the backslash before 'n'"),
        ('A="a"b\n', 1, "behind a closing quote the line must end"),
        ("# what\\\nA=1\n", 1, "a comment that ends in a backslash"),
        ("A=1\r\n", 1, "as on Windows"),
        ('A="two\nlines"\nB=a b\n', 3, "'b' needs double quotes"),
        ("\ufeffA=1\n", 1, "no NAME=VALUE"),
        ('A="\x1b[0m"\n', 1, "a control character"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused_with_its_line(text: str, line: int, why: str) -> None:
    with pytest.raises(environment.Malformed) as caught:
        environment.parse(text, "/etc/default/astronomer-certified")
    assert caught.value.line == line
    assert why in str(caught.value)
    assert str(caught.value).startswith(f"/etc/default/astronomer-certified, line {line}: ")


def test_what_is_no_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"A=1\nB=\xff\n")
    with pytest.raises(environment.Malformed, match="line 2: no UTF-8"):
        environment.read(str(tmp_path / "file"))


def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("A=1\n")
    path.chmod(0o646)
    with pytest.raises(environment.Malformed, match="everybody may write it"):
        environment.read(str(path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("A=1\n")
    os.chown(path, 4711, -1)
    with pytest.raises(environment.Malformed, match="belongs to user 4711"):
        environment.read(str(path))


def test_the_last_of_a_name_counts_and_its_line_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("A=1\n# no\nA=2\n")
    assert environment.read(str(tmp_path / "file")) == {"A": ("2", 3)}
