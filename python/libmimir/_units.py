"""Sizes, durations and counts as people write them."""

from __future__ import annotations

import math
import operator
import re
from functools import lru_cache

from ._bindings import MIMIR_UNLIMITED
from .errors import InvalidArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    #: Bytes as an int, or a string such as ``"256M"``, ``"1.5GiB"``, ``"512Mi"``, ``"10k"``.
    Size = Union[int, str]
    #: Seconds as a number, or a string such as ``"1.5"``, ``"500ms"``, ``"10s"``, ``"2m"``, ``"1h"``.
    Duration = Union[float, str]

_SIZE = re.compile(r"\s*([0-9]+)(?:\.([0-9]+))?\s*(?:([KMGT])I?)?B?\s*", re.IGNORECASE | re.ASCII)
_SIZE_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(ms|s|m|h)?\s*", re.ASCII)
_DURATION_UNITS = {"ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9}

_COUNT = re.compile(r"\s*([0-9]+)\s*", re.ASCII)

_SIZE_ACCEPTED = 'bytes as an int, or a string such as "256M", "1.5GiB", "512Mi" or "10k"'
_DURATION_ACCEPTED = 'seconds as a number, or a string such as "1.5", "500ms", "10s", "2m" or "1h"'
_COUNT_ACCEPTED = "a whole number"
_RATE_ACCEPTED = 'a number of CPUs, such as 0.5 or "1.5"'

#: The largest value that is a limit: the next is `MIMIR_UNLIMITED`.
LARGEST = MIMIR_UNLIMITED - 1
#: More than the digits of the largest value, and of a fraction that makes a difference.
_MOST_DIGITS = 40


def size(value: object, name: str) -> int:
    """Turn a size into bytes.

    K, M, G and T, each with or without ``i`` and ``B``, in either case, are powers of 1024, as in ulimit and docker;
    the decimal units of SI are not used. A fraction of a byte is cut off.

    Raises: `InvalidArgumentError` that names the argument and says what is accepted.
    """
    if type(value) is int and 0 <= value <= LARGEST:  # the usual case first
        return value
    if isinstance(value, str):
        number = _written_size(value)
        if number is None:
            raise _refused(name, value, _SIZE_ACCEPTED)
        return _within(number, name, value)
    return _within(_index(value, name, _SIZE_ACCEPTED), name, value)


@lru_cache(maxsize=64)
def _written_size(text: str) -> int | None:
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    whole, fraction, letter = match[1], match[2] or "", (match[3] or "").upper()
    if fraction.strip("0") and not letter:
        return None
    # In whole numbers: a float would make "8.1T" a few bytes more or less.
    fraction = fraction[:_MOST_DIGITS]
    scale: int = 10 ** len(fraction)
    return (_whole(whole) * scale + int(fraction or "0")) * _SIZE_UNITS[letter] // scale


def _whole(digits: str) -> int:
    """Read digits; so many that the number is too large in any case are a number that is."""
    significant = digits.lstrip("0")
    return LARGEST + 1 if len(significant) > _MOST_DIGITS else int(significant or "0")


def count(value: object, name: str) -> int:
    """Check a number of things, which may be given as decimal digits.

    Raises: `InvalidArgumentError` that names the argument and says what is accepted.
    """
    if type(value) is int and 0 <= value <= LARGEST:  # the usual case first
        return value
    if isinstance(value, str):
        match = _COUNT.fullmatch(value)
        if match is None:
            raise _refused(name, value, _COUNT_ACCEPTED)
        return _within(_whole(match[1]), name, value)
    return _within(_index(value, name, _COUNT_ACCEPTED), name, value)


def duration(value: object, name: str) -> int:
    """Turn a duration into nanoseconds.

    Raises: `InvalidArgumentError` that names the argument and says what is accepted.
    """
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        if match is None:
            raise _refused(name, value, _DURATION_ACCEPTED)
        return _rounded(float(match[1]) * _DURATION_UNITS[match[2] or "s"], name, value)
    if isinstance(value, (bool, bytes, bytearray)):  # which float() would take
        raise _refused(name, value, _DURATION_ACCEPTED)
    if isinstance(value, int):
        return _within(value * 1_000_000_000, name, value)
    try:
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise _refused(name, value, _DURATION_ACCEPTED) from None
    if not math.isfinite(seconds):
        raise _refused(name, value, _DURATION_ACCEPTED)
    return _rounded(seconds * 1e9, name, value)


def rate(value: object, name: str) -> int:
    """Turn a number of CPUs into thousandths of one.

    Raises: `InvalidArgumentError` that names the argument and says what is accepted.
    """
    if isinstance(value, (bool, bytes, bytearray)):  # which float() would take
        raise _refused(name, value, _RATE_ACCEPTED)
    try:
        cpus = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise _refused(name, value, _RATE_ACCEPTED) from None
    if not math.isfinite(cpus):
        raise _refused(name, value, _RATE_ACCEPTED)
    return _rounded(cpus * 1000, name, value)


def _index(value: object, name: str, accepted: str) -> int:
    if isinstance(value, bool):
        raise _refused(name, value, accepted)
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise _refused(name, value, accepted) from None


def _rounded(number: float, name: str, value: object) -> int:
    return _within(round(number) if math.isfinite(number) else LARGEST + 1, name, value)


def _within(number: int, name: str, value: object) -> int:
    if number < 0:
        raise InvalidArgumentError(f"{name}: {_shown(value)} is negative", step="check argument")
    if number > LARGEST:
        raise InvalidArgumentError(f"{name}: {_shown(value)} is too large", step="check argument")
    return number


def _refused(name: str, value: object, accepted: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"{name}: {_shown(value)} is not understood; give {accepted}", step="check argument")


def _shown(value: object) -> str:
    """Write a value for an error, of which it is not to be all."""
    try:
        text = repr(value)
    except ValueError:  # Python does not write out very large numbers
        return "a number of that size"
    return text if len(text) <= 80 else f"{text[:77]}..."


def format_size(value: float) -> str:
    """Write bytes for a person, such as ``"1.5 GiB"``."""
    if value < 1024:
        return f"{value:.0f} B"
    units = ["TiB", "GiB", "MiB", "KiB"]
    unit = units.pop()
    value /= 1024
    while value >= 1023.95 and units:
        value /= 1024
        unit = units.pop()
    return f"{value:.1f}".removesuffix(".0") + f" {unit}"


def format_seconds(value: float) -> str:
    """Write seconds for a person, such as ``"250 ms"``, ``"1.5 s"`` or ``"2 min 5 s"``."""
    if 0 < value < 1:
        return f"{value * 1000:.3g} ms" if value < 0.9995 else "1 s"
    if value < 60:
        return f"{value:.3g} s" if value < 10 else f"{value:.1f}".removesuffix(".0") + " s"
    minutes, seconds = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min" + (f" {seconds} s" if seconds else "")
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h" + (f" {minutes} min" if minutes else "")
