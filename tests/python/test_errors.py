"""Exceptions carry what is known of a failure."""

from __future__ import annotations

import errno
import pickle

import libmimir
import pytest
from libmimir import errors


def test_an_os_error_has_its_errno_and_text() -> None:
    error = libmimir.PermissionDeniedError("kill: process group 7: not permitted", os_code=errno.EACCES, step="kill")
    assert error.errno == errno.EACCES
    assert error.strerror == "kill: process group 7: not permitted"
    assert str(error) == "kill: process group 7: not permitted"
    assert error.step == "kill"


def test_an_os_error_that_the_library_found_itself_has_the_errno_of_its_kind() -> None:
    assert libmimir.NoSuchProcessError("gone").errno == errno.ESRCH
    assert libmimir.NotFoundError("missing").errno == errno.ENOENT
    assert libmimir.TimedOutError("late").errno == errno.ETIMEDOUT


def test_an_exception_made_by_hand_knows_its_status() -> None:
    error = libmimir.InvalidArgumentError("no")
    assert (error.status, error.os_code, error.step) == (libmimir.raw.MIMIR_EINVAL, 0, "")


@pytest.mark.parametrize("kind", errors.BY_STATUS.values(), ids=lambda kind: kind.__name__)
def test_an_exception_survives_pickling(kind: type[libmimir.MimirError]) -> None:
    error = kind("what happened", os_code=5, step="a step")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(copy) is kind
    assert str(copy) == "what happened"
    assert (copy.status, copy.os_code, copy.step) == (error.status, 5, "a step")
    assert getattr(copy, "errno", None) == getattr(error, "errno", None)


def test_a_failing_call_tells_the_step_and_what_was_asked() -> None:
    with pytest.raises(libmimir.InvalidArgumentError) as caught:
        libmimir._library.call("mimir_limit_get", 0, 99, None, None, None)
    assert caught.value.status == libmimir.raw.MIMIR_EINVAL
    assert caught.value.step
    assert "99" in str(caught.value)
