"""Garbage that a process whose collector rests would keep: what errors hold on to."""

from __future__ import annotations

import traceback


def let_go(error: BaseException) -> None:
    """Empty the frames that a handled error and its causes remember.

    A frame that names the error it raised is a circle, which only the collector would free;
    a failed question to a database leaves some 30 KB of them behind.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        traceback.clear_frames(one.__traceback__)
        one.__traceback__ = None
        waiting += [one.__cause__, one.__context__]
