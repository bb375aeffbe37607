"""A small way to write XML: element names, attributes, children, in the order they are given."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element, indent, tostring


def element(
    name: str, *content: Element | str, attributes: Mapping[str, str] | None = None
) -> Element:
    """An element with text or with children."""
    made = Element(name, dict(attributes or {}))
    for one in content:
        if isinstance(one, str):
            made.text = (made.text or "") + one
        else:
            made.append(one)
    return made


def write(root: Element) -> bytes:
    """The document in UTF-8 with its declaration."""
    indent(root)
    octets: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return octets + b"\n"
