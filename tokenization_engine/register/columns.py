"""Reading the fields of many records at once: column by column, as `RecordReader.read_fields` reads record by record.

Most columns say a few things again and again, or nothing out of the ordinary, and can be taken whole; whatever is out
of the ordinary is read value by value, and refused in the same words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tokenization_engine.register.checks import RecordReader
from tokenization_engine.register.fields import Field, Kind
from tokenization_engine.register.values import Refused, highest_of, is_blank, reader_of
from tokenization_engine.register.vocabulary import Vocabulary

_Refusals = dict[int, str]
"""Reasons by the index of the record."""


def read_columns(
    readers: Sequence[RecordReader], fields: Sequence[Field], rows: Sequence[Mapping[str, object]]
) -> None:
    """Take each field's value of each row into the values of the reader at its place; all have one vocabulary."""
    columns = []
    for one in fields:
        values: list[Any] = [None] * len(rows)
        refused: _Refusals = {}
        if any(one.name in row for row in rows):
            values, refused = _read([row.get(one.name) for row in rows], one, readers[0].vocabulary)
        if one.is_required and None in values:
            refused = {index: "required" for index, value in enumerate(values) if value is None} | refused
        for index, reason in refused.items():
            readers[index].refuse(one.name, reason)
        columns.append(values)
    names = [one.column for one in fields]
    for reader, row in zip(readers, zip(*columns, strict=True), strict=True):
        reader.values.update(zip(names, row, strict=True))


def _read(given: list[Any], one: Field, vocabulary: Vocabulary) -> tuple[list[Any], _Refusals]:
    """The values of a column, None where there is none or it is refused."""
    kinds = set(map(type, given))
    kinds.discard(type(None))
    if kinds == {int} and one.kind in (Kind.WHOLE, Kind.SERIAL) and _are_admitted(given, one):
        return given, {}
    if kinds == {str}:
        is_free = one.kind is Kind.TEXT and not one.pick_list
        texts = _plain_texts(given, one) if is_free else None
        return (texts, {}) if texts is not None else _read_alike(given, one, vocabulary)
    return _read_each(given, one, vocabulary)


def _are_admitted(given: list[int | None], one: Field) -> bool:
    numbers = [number for number in given if number is not None]
    return one.lowest <= min(numbers) and max(numbers) <= highest_of(one)


def _plain_texts(given: list[str | None], one: Field) -> list[str | None] | None:
    """The texts as they are read, if none is longer than the field admits or holds anything but printable ASCII."""
    texts = [text or "" for text in given]
    if max(map(len, texts)) > one.max_length:
        return None
    together = "".join(texts)
    if not together.isascii() or not together.isprintable():
        return None
    return [text.strip() or None for text in texts]


def _read_alike(given: list[str | None], one: Field, vocabulary: Vocabulary) -> tuple[list[Any], _Refusals]:
    """Texts of which many are alike: each is read once."""
    different = list(set(given))
    values, reasons = _read_each(different, one, vocabulary)
    value_of = dict(zip(different, values, strict=True))
    if not reasons:
        return [value_of[text] for text in given], {}
    reason_of = {different[index]: reason for index, reason in reasons.items()}
    refused = {index: reason_of[text] for index, text in enumerate(given) if text in reason_of}
    return [value_of[text] for text in given], refused


def _read_each(given: Sequence[object], one: Field, vocabulary: Vocabulary) -> tuple[list[Any], _Refusals]:
    read = reader_of(one)
    values: list[Any] = []
    refused: _Refusals = {}
    for index, value in enumerate(given):
        try:
            values.append(None if is_blank(value) else read(value, one, vocabulary))
        except Refused as error:
            values.append(None)
            refused[index] = str(error)
    return values, refused
