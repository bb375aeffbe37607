"""One page of a list, read by the database, and the links to its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from flask import request, url_for
from sqlalchemy import ColumnElement, Select, and_, false, func, or_
from sqlalchemy.orm import Session

from captive_portal.web.links import is_plain_name
from db.models.base import from_micros, to_micros

RowT = TypeVar("RowT")
PAGE_SIZE = 50
_LAST_PAGE = 2000
"""Beyond it OFFSET costs more than a filter would; the page says to narrow the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[RowT]):
    """Rows of one page; `total` is None where counting would read a whole ledger."""

    rows: Sequence[RowT]
    number: int
    has_next: bool
    total: int | None = None

    @property
    def first_row(self) -> int:
        return (self.number - 1) * PAGE_SIZE + 1

    @property
    def last_row(self) -> int:
        return (self.number - 1) * PAGE_SIZE + len(self.rows)

    @property
    def previous_url(self) -> str | None:
        return link_to_page(self.number - 1) if self.number > 1 else None

    @property
    def next_url(self) -> str | None:
        return link_to_page(self.number + 1) if self.has_next else None


def page_number() -> int:
    """The page the query string asks for; 1 when it asks for nonsense."""
    text = request.args.get("page", "1")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1
    return min(max(number, 1), _LAST_PAGE)


def read_number(text: str) -> int | None:
    """The row number in `text`, or None; a number no row can have is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def link_to_page(number: int) -> str:
    """This list with the same filters, at another page."""
    arguments: dict[str, Any] = {
        key: value for key, value in request.args.items() if value and is_plain_name(key)
    }
    arguments.pop("lang", None)
    arguments |= {**(request.view_args or {}), "page": number}
    return url_for(str(request.endpoint), **arguments)


def contains(text: str, *columns: Any) -> ColumnElement[bool]:
    """Whether any of the columns holds `text`, in any case; % and _ mean themselves."""
    return or_(false(), *(column.icontains(text, autoescape=True) for column in columns))


def fetch_page(
    session: Session, statement: Select[*tuple[Any, ...]], *, count: bool = False
) -> Page[Any]:
    """The page of `statement` that the request asks for; one more row tells if there is a next."""
    number = page_number()
    rows = list(
        session.execute(statement.limit(PAGE_SIZE + 1).offset((number - 1) * PAGE_SIZE)).unique()
    )
    total = None
    if count:
        inner = statement.order_by(None).with_only_columns(func.count(), maintain_column_froms=True)
        total = session.scalar(inner)
    return Page(rows=rows[:PAGE_SIZE], number=number, has_next=len(rows) > PAGE_SIZE, total=total)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerPage(Generic[RowT]):
    """Rows of one page of a ledger; its neighbours are found by their place, not their number."""

    rows: Sequence[RowT]
    newer: str | None
    """The place to read on from towards the newest row; None on the first page."""
    older: str | None

    @property
    def previous_url(self) -> str | None:
        return _link_to_place("newer_than", self.newer)

    @property
    def next_url(self) -> str | None:
        return _link_to_place("older_than", self.older)


def fetch_ledger_page(
    session: Session, statement: Select[*tuple[Any, ...]], at: Any, row_id: Any
) -> LedgerPage[Any]:
    """The page of `statement`, newest first, that the request asks for.

    A ledger grows while it is read and has millions of rows: a place in it, the time and
    number of a row, costs the same however deep it lies, and no row is shown twice.

    Args:
        statement: without an order; its first column is the row that has `at` and `row_id`.
        at: its column of time, which is indexed.
        row_id: its primary key.
    """
    older_than = _read_place(request.args.get("older_than", ""))
    newer_than = _read_place(request.args.get("newer_than", ""))
    backwards = newer_than is not None and older_than is None
    place = newer_than if backwards else older_than
    if place is not None:
        moment, number = place
        beyond, same = (
            (at > moment, row_id > number) if backwards else (at < moment, row_id < number)
        )
        # The plain bound on time lets the index start there; the pair alone may not.
        bound = at >= moment if backwards else at <= moment
        statement = statement.where(bound, or_(beyond, and_(at == moment, same)))
    order = (at.asc(), row_id.asc()) if backwards else (at.desc(), row_id.desc())
    rows = list(session.execute(statement.order_by(*order).limit(PAGE_SIZE + 1)).unique())
    more = len(rows) > PAGE_SIZE
    rows = rows[:PAGE_SIZE]
    if backwards:
        rows.reverse()
    places = [f"{to_micros(row[0].at)}-{row[0].id}" for row in (rows[:1] + rows[-1:])]
    newer, older = (places[0], places[-1]) if places else (None, None)
    return LedgerPage(
        rows=rows,
        newer=newer if (more if backwards else place is not None) else None,
        older=older if (more or backwards) else None,
    )


def _read_place(text: str) -> tuple[datetime, int] | None:
    micros, _dash, number = text.partition("-")
    if not (micros.isascii() and micros.isdigit() and len(micros) < 18):
        return None
    found = int(number) if number.isascii() and number.isdigit() and len(number) < 19 else None
    return None if found is None else (from_micros(int(micros)), found)


def _link_to_place(key: str, place: str | None) -> str | None:
    if place is None:
        return None
    arguments: dict[str, Any] = {
        name: value for name, value in request.args.items() if value and is_plain_name(name)
    }
    for name in ("lang", "page", "older_than", "newer_than"):
        arguments.pop(name, None)
    arguments |= {**(request.view_args or {}), key: place}
    return url_for(str(request.endpoint), **arguments)


__all__ = [
    "PAGE_SIZE",
    "LedgerPage",
    "Page",
    "contains",
    "fetch_ledger_page",
    "fetch_page",
    "link_to_page",
    "page_number",
    "read_number",
]
