"""The quick JSON is the JSON that everybody else reads and writes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import plain_json

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(deadline=None)
@given(TREES)
def test_the_same_octets_are_written_and_the_same_values_read(tree: Any) -> None:
    for indent in (None, 2):
        text = json.dumps(tree, ensure_ascii=False, indent=indent)
        assert plain_json.dumps(tree, indent) == text
    assert plain_json.loads(json.dumps(tree, ensure_ascii=False)) == tree


@settings(deadline=None)
@given(st.lists(st.text() | st.just("ก" * 5000), min_size=1))
def test_what_is_written_already_stands_in_the_octets_as_it_is(texts: list[str]) -> None:
    tree = {str(number): text for number, text in enumerate(texts)}
    written = {name: _written(text) if int(name) % 2 else text for name, text in tree.items()}
    whole = json.dumps({"a": tree, "ข": 1}, ensure_ascii=False, indent=2)
    pieces = plain_json.octets({"a": written, "ข": 1}, 2)
    assert b"".join(pieces) == whole.encode()


def _written(text: str) -> plain_json.Written:
    octets = json.dumps(text, ensure_ascii=False).encode()
    return plain_json.Written([octets[:1], b"", octets[1:]])


@pytest.mark.parametrize("text", ["", "{", '{"a":}', "[1]x", "nonsense", "[" * 100_000])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        plain_json.loads(text)


def test_what_it_does_not_write_is_refused() -> None:
    with pytest.raises(TypeError, match="float"):
        plain_json.dumps({"a": 1.5})
