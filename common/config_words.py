"""What a wrong value of the configuration is told: one plain sentence that says what would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

from common.errors import ConfigError

_KINDS = {
    "missing": "it is needed",
    "extra_forbidden": "unknown key; see deploy/yuenyan.example.toml for the known ones",
    "string_type": 'write a text in quotes: "a"',
    "path_type": 'write a path in quotes: "/etc/yuenyan/file"',
    "tuple_type": 'write a list: ["a"]',
    "list_type": 'write a list: ["a"]',
    "bool_type": "write true or false, without quotes",
    "bool_parsing": "write true or false, without quotes",
    "int_type": "write a whole number, without quotes",
    "int_parsing": "write a whole number, without quotes",
    "int_parsing_size": "the number is too large",
    "int_from_float": "write a whole number",
    "float_type": "write a number, without quotes",
    "float_parsing": "write a number, without quotes",
    "finite_number": "write a number that has an end",
    "dict_type": "write a section: [NAME], and the keys below it",
    "model_type": "write a section: [NAME], and the keys below it",
    "model_attributes_type": "write a section: [NAME], and the keys below it",
}

_BOUNDS = {
    "greater_than_equal": "give at least {ge}",
    "greater_than": "give more than {gt}",
    "less_than_equal": "give at most {le}",
    "less_than": "give less than {lt}",
    "string_too_short": "write at least {min_length} characters",
    "string_too_long": "write at most {max_length} characters",
    "too_short": "name at least {min_length}",
    "too_long": "name at most {max_length}",
    "literal_error": "write one of: {expected}",
}

_LAW = {
    ("archive.retention_days", "greater_than_equal"): "the law demands at least {ge} days",
    ("archive.retention_days", "less_than_equal"): "the law never orders more than {le} days",
}
"""Where the reason is not ours: Computer Crime Act section 26."""


def told(problem: ErrorDetails) -> ConfigError:
    """The error of one problem that the validation of the tree has found."""
    key = ".".join(str(part) for part in problem["loc"])
    return ConfigError(_sentence(key, problem["type"], problem["msg"], problem.get("ctx", {})), key)


def _sentence(key: str, kind: str, message: str, context: Mapping[str, Any]) -> str:
    words = _LAW.get((key, kind)) or _BOUNDS.get(kind) or _KINDS.get(kind)
    if words is None:
        # Words of our own come as a value error; of a date the parser says what is wrong.
        return message.removeprefix("Value error, ")
    return words.format_map({name: _plain(value) for name, value in context.items()})


def _plain(value: object) -> object:
    """A bound as it is written: 1, not 1.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
