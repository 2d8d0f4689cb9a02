"""Paths are treated as Python's own modules treat them, of both flavours on every machine."""

from __future__ import annotations

import ntpath
import os
import posixpath
import re
import sys
from pathlib import Path
from types import ModuleType

import libmimir
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from libmimir import platform, raw
from support import python, unix_only

# Mostly what matters to the rules, so that it comes together often; and anything else that a name can be.
PIECES = st.sampled_from(
    ["/", "\\", ".", "..", ":", "C:", "c:", "//", "\\\\", "?", "\\\\?\\", "a", "b c", "é", " ", "UNC"]
)
ANYTHING = st.text(
    st.one_of(
        st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"),
        st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF, whitelist_categories=["Cs"]),
    ),
    max_size=8,
)
# Bytes that are no UTF-8 come to Python as surrogates, one by one: together they must not make UTF-8.
PATHS = (
    st.lists(st.one_of(PIECES, PIECES, PIECES, ANYTHING), max_size=8)
    .map("".join)
    .filter(lambda path: os.fsdecode(os.fsencode(path)) == path)
)

# Since 3.12 ntpath has settled what an incomplete share and a drive without a letter are, and ours is that. The ntpath
# of an older Python is compared with on the paths that it understands alike.
settled = sys.version_info >= (3, 12)
comparable = pytest.mark.skipif(sys.version_info < (3, 11), reason="ntpath of this Python has other rules")
FLAVOURS = [
    pytest.param(raw.MIMIR_PATH_POSIX, posixpath, id="posix"),
    pytest.param(raw.MIMIR_PATH_WINDOWS, ntpath, id="windows", marks=comparable),
]


def is_settled(reference: ModuleType, path: str) -> bool:
    if reference is posixpath:
        return True
    # Windows' own function, which ntpath calls there, counts in units of UTF-16; Python elsewhere in characters.
    if sys.platform != "win32" and re.match("[\U00010000-\U0010ffff]:", path):
        return False
    if settled:
        return True
    whole_share = re.match(r"[\\/]{2}[^\\/]+[\\/][^\\/]+", path)
    return bool(whole_share) or not re.match(r"[\\/]{2}|[\\/]:", path)


@pytest.mark.parametrize(("flavour", "reference"), FLAVOURS)
@given(path=PATHS)
@example(path="")
@example(path="//")
@example(path="///a/../..")
@example(path="C:..\\a")
@example(path="\\\\host\\share\\..\\a")
def test_a_path_is_normalized_as_python_does(flavour: int, reference: ModuleType, path: str) -> None:
    assume(is_settled(reference, path))
    assert platform._normalize(flavour, path) == reference.normpath(path)


@pytest.mark.parametrize(("flavour", "reference"), FLAVOURS)
@given(paths=st.lists(PATHS, min_size=1, max_size=5))
@example(paths=["C:\\a", "c:b"])
@example(paths=["C:\\a", "D:b"])
@example(paths=["\\\\host\\share", "\\b"])
@example(paths=["a", "", ""])
def test_paths_are_joined_as_python_does(flavour: int, reference: ModuleType, paths: list[str]) -> None:
    assume(all(is_settled(reference, path) for path in paths))
    assert platform._join(flavour, *paths) == reference.join(*paths)


# What ntpath of Python 3.12 answers.
@pytest.mark.parametrize(
    ("parts", "joined", "normal"),
    [
        (["//", "."], "//.", "\\\\."),
        (["/:", "/"], "/", "\\"),
        (["\\\\host", "a"], "\\\\host\\a", "\\\\host\\a"),
        (["\\\\?\\C:\\a", "..", "b"], "\\\\?\\C:\\a\\..\\b", "\\\\?\\C:\\b"),
        (["\\\\.\\pipe\\x", ".."], "\\\\.\\pipe\\x\\..", "\\\\.\\pipe\\"),
        (["c:a", "C:b"], "C:a\\b", "C:a\\b"),
        (["a", "\u00e9:b"], "\u00e9:b", "\u00e9:b"),
    ],
)
def test_the_paths_that_older_pythons_take_otherwise_are_taken_as_newer_ones_do(
    parts: list[str], joined: str, normal: str
) -> None:
    assert platform._join(raw.MIMIR_PATH_WINDOWS, *parts) == joined
    assert platform._normalize(raw.MIMIR_PATH_WINDOWS, joined) == normal
    if settled:
        assert (ntpath.join(*parts), ntpath.normpath(joined)) == (joined, normal)


def test_a_character_that_windows_writes_as_two_is_no_drive() -> None:
    assert platform._join(raw.MIMIR_PATH_WINDOWS, "a", "\U00010000:") == "a\\\U00010000:"
    assert platform._normalize(raw.MIMIR_PATH_WINDOWS, "\U00010000:/") == "\U00010000:"


@given(path=PATHS)
@example(path="\U00010000:/")
def test_the_public_functions_give_what_os_path_gives(path: str) -> None:
    assert libmimir.normalize_path(path) == os.path.normpath(path)
    assert libmimir.join_paths("base", path) == os.path.join("base", path)


def test_path_objects_are_taken() -> None:
    assert libmimir.normalize_path(Path("a") / ".." / "b") == os.path.normpath("b")
    assert libmimir.join_paths(Path("a"), "b") == os.path.join("a", "b")


def test_a_long_path_is_not_cut_off() -> None:
    path = "/".join(["directory"] * 1000)
    assert libmimir.normalize_path(path) == os.path.normpath(path)
    assert libmimir.join_paths(path, path) == os.path.join(path, path)


def test_joining_nothing_is_a_type_error_as_in_os_path() -> None:
    with pytest.raises(TypeError):
        libmimir.join_paths()


@pytest.mark.parametrize("path", ["a\0b", "\0"])
def test_a_null_character_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="null character"):
        libmimir.normalize_path(path)
    with pytest.raises(ValueError, match="null character"):
        libmimir.join_paths("a", path)


def test_what_is_no_path_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        libmimir.normalize_path(1)  # type: ignore[arg-type]


def test_the_separator_is_that_of_os() -> None:
    assert libmimir.get_path_separator() == os.sep


def test_a_program_has_the_name_that_the_platform_gives_it() -> None:
    assert libmimir.get_executable_name("tool") == ("tool.exe" if sys.platform == "win32" else "tool")


DIRECTORIES = """
import libmimir, os
for line in {settings!r}:
    name, _, value = line.partition("=")
    if value: os.environ[name] = value
    else: os.environ.pop(name, None)
print({expression})
"""


def directory(expression: str, *settings: str) -> str:
    """Ask for a directory in a process with environment variables set (``NAME=value``) or unset (``NAME=``)."""
    return python(DIRECTORIES.format(settings=settings, expression=expression)).stdout.strip()


@unix_only
def test_the_home_is_that_of_the_environment_also_when_python_has_changed_it() -> None:
    assert directory("libmimir.get_home_directory()", "HOME=/somewhere/else") == "/somewhere/else"


@unix_only
def test_the_home_without_a_variable_is_that_of_the_user_database() -> None:
    import pwd

    assert directory("libmimir.get_home_directory()", "HOME=") == pwd.getpwuid(os.getuid()).pw_dir


@unix_only
def test_the_temporary_directory_is_tmpdir_or_tmp() -> None:
    assert directory("libmimir.get_temp_directory()", "TMPDIR=/var/tmp") == "/var/tmp"
    assert directory("libmimir.get_temp_directory()", "TMPDIR=") == "/tmp"


@pytest.mark.skipif(sys.platform != "linux", reason="other platforms keep settings elsewhere")
def test_the_settings_are_in_xdg_config_home_or_a_dotted_folder_of_the_home() -> None:
    home, unset = "HOME=/home/me", "XDG_CONFIG_HOME="
    assert directory("libmimir.get_config_directory()", home, unset) == "/home/me/.mimir"
    assert directory("libmimir.get_config_directory('tool')", home, unset) == "/home/me/.tool"
    assert directory("libmimir.get_config_directory()", home, "XDG_CONFIG_HOME=/cfg") == "/cfg/mimir"


@pytest.mark.parametrize("name", ["", "a/b", "a\0b"])
def test_an_application_name_that_is_no_folder_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        libmimir.get_config_directory(name)
