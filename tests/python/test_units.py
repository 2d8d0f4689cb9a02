"""Sizes, durations and counts are read as people write them, and refused with what is accepted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from libmimir import InvalidArgumentError, _units

K, M, G, T = 1 << 10, 1 << 20, 1 << 30, 1 << 40


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (0, 0),
        (4096, 4096),
        ("4096", 4096),
        ("10k", 10 * K),
        ("10K", 10 * K),
        ("10KB", 10 * K),
        ("10KiB", 10 * K),
        ("10ki", 10 * K),
        ("256M", 256 * M),
        ("256 MB", 256 * M),
        ("512Mi", 512 * M),
        ("1.5GiB", 3 * G // 2),
        (" 1.25g ", 5 * G // 4),
        ("2T", 2 * T),
        ("100B", 100),
        ("1.0", 1),
        ("0.3K", 307),
        ("8.1T", 81 * T // 10),
    ],
)
def test_a_size_is_understood(written: object, expected: int) -> None:
    assert _units.size(written, "memory") == expected


@pytest.mark.parametrize(
    "written",
    [
        "12Q",
        "",
        " ",
        "-1",
        "M",
        "1.5",
        "1e6",
        "0x10",
        "1,5M",
        "\u0661M",
        "nan",
        "NaN",
        "inf",
        "12iB",
        "1 2M",
        "1.M",
        ".5M",
        True,
        False,
        1.5,
        float("nan"),
        None,
        b"1M",
        [],
        -1,
        1 << 64,
        str(1 << 64),
        "99999999T",
    ],
)
def test_a_size_that_is_not_understood_is_refused_by_the_name_of_its_argument(written: object) -> None:
    with pytest.raises(InvalidArgumentError, match="^memory: ") as caught:
        _units.size(written, "memory")
    assert isinstance(caught.value, ValueError)


def test_a_refusal_shows_what_was_given_and_what_is_accepted() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        _units.size("12Q", "memory")
    assert str(caught.value) == (
        "memory: '12Q' is not understood; give bytes as an int, "
        'or a string such as "256M", "1.5GiB", "512Mi" or "10k"'
    )


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (0, 0),
        (5, 5),
        (0.25, 0.25),
        ("1.5", 1.5),
        ("500ms", 0.5),
        ("10s", 10),
        ("2m", 120),
        ("1h", 3600),
        (".5s", 0.5),
        ("1.h", 3600),
        (" 3 s ", 3),
    ],
)
def test_a_duration_is_understood(written: object, seconds: float) -> None:
    assert _units.duration(written, "wall") == round(seconds * 1e9)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "soon",
        "-1",
        "1d",
        "5 minutes",
        "1e3",
        "nan",
        "inf",
        ".",
        "s",
        True,
        None,
        -1,
        -0.5,
        [],
        b"1",
        float("nan"),
        float("inf"),
        1e30,
        10**30,
    ],
)
def test_a_duration_that_is_not_understood_is_refused_by_the_name_of_its_argument(written: object) -> None:
    with pytest.raises(InvalidArgumentError, match="^wall: "):
        _units.duration(written, "wall")


@pytest.mark.parametrize(("written", "expected"), [(0, 0), (64, 64), ("64", 64), (" 7 ", 7)])
def test_a_count_is_understood(written: object, expected: int) -> None:
    assert _units.count(written, "processes") == expected


@pytest.mark.parametrize("written", ["", "-1", "1.0", "1K", 1.0, True, None, -1, 1 << 64])
def test_a_count_that_is_not_understood_is_refused_by_the_name_of_its_argument(written: object) -> None:
    with pytest.raises(InvalidArgumentError, match="^processes: "):
        _units.count(written, "processes")


@given(st.integers(0, (1 << 64) - 2))
def test_bytes_are_taken_as_they_are(number: int) -> None:
    assert _units.size(number, "n") == number
    assert _units.size(str(number), "n") == number


@pytest.mark.parametrize("read", [_units.size, _units.count, _units.duration, _units.rate])
@pytest.mark.parametrize("value", ["9" * 400, "9" * 5000, "0\x1fx", "7\u2003K"], ids=lambda value: value[-3:])
def test_a_number_that_python_cannot_write_or_read_is_refused_in_a_few_words(
    read: Callable[[object, str], int], value: str
) -> None:
    for number in (value, 10**5000, -(10**5000)):
        with pytest.raises(InvalidArgumentError, match="^n: ") as caught:
            read(number, "n")
        assert len(str(caught.value)) < 250


def test_digits_that_make_no_difference_make_none() -> None:
    assert _units.size("0" * 5000 + "7", "n") == _units.count("0" * 5000 + "7", "n") == 7
    assert _units.size("1." + "0" * 5000 + "K", "n") == 1024
    assert _units.size("1." + "9" * 5000 + "K", "n") == 2047


@given(st.text())
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    for read in (_units.size, _units.duration, _units.count):
        try:
            number = read(text, "n")
        except InvalidArgumentError as error:
            refusal = str(error)
            assert refusal.startswith("n: ")
        else:
            assert 0 <= number < 1 << 64


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (K, "1 KiB"),
        (1536, "1.5 KiB"),
        (M - 1, "1 MiB"),
        (256 * M, "256 MiB"),
        (3 * G // 2, "1.5 GiB"),
        (5 * T, "5 TiB"),
        (5000 * T, "5000 TiB"),
    ],
)
def test_a_size_is_written_for_a_person(number: int, written: str) -> None:
    assert _units.format_size(number) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0 s"),
        (0.00123, "1.23 ms"),
        (0.25, "250 ms"),
        (0.9996, "1 s"),
        (1.234, "1.23 s"),
        (12.34, "12.3 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
    ],
)
def test_a_duration_is_written_for_a_person(seconds: float, written: str) -> None:
    assert _units.format_seconds(seconds) == written
