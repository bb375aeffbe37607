"""common.garbage: an error that was handled leaves no circles behind."""

from __future__ import annotations

import gc

import pytest

from common.garbage import let_go


class Heavy:
    """Stands for what a frame holds."""

    alive = 0

    def __init__(self) -> None:
        Heavy.alive += 1

    def __del__(self) -> None:
        Heavy.alive -= 1


def _fail() -> None:
    held = Heavy()
    try:
        raise KeyError("the first")
    except KeyError as error:
        kept = ValueError("names itself in its own frame")
        kept.add_note(str(held))
        raise kept from error


@pytest.mark.parametrize("lets_go", [True, False])
def test_what_the_frames_held_is_free_without_the_collector(lets_go: bool) -> None:
    gc.collect()
    gc.disable()
    try:
        try:
            _fail()
        except ValueError as error:
            if lets_go:
                let_go(error)
                assert error.__traceback__ is None
        assert Heavy.alive == (0 if lets_go else 1)
    finally:
        gc.enable()
        gc.collect()
    assert Heavy.alive == 0
