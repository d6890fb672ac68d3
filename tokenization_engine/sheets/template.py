"""An empty workbook to fill in: every sheet, what each column wants, and the governance lists as drop-downs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from xlsxwriter.utility import xl_col_to_name

from tokenization_engine.register.fields import Field, Kind
from tokenization_engine.register.model import Project, Unit
from tokenization_engine.register.vocabulary import Vocabulary
from tokenization_engine.sheets.shape import LABEL_UNITS, PROJECTS, SHEETS, UNITS, Sheet
from tokenization_engine.sheets.writer import SheetWriter, Writer, opened_writer

_LISTS: Final = "lists"
_LAST_ROW: Final = 10_000
"""Rows that have drop-downs and formats; those below are read all the same."""

_OURS: Final = frozenset({"localName", "unitQuantity"})
_OF_THE_ENGINE: Final = frozenset({"marketplace", "marketplaceLink", "marketplaceIdentifier"})
_ASKED: Final = frozenset({"unitBlockStart", "unitBlockEnd"})
_REFERENCES: Final = {
    "projectId": "The projectId or localName of a project on the sheet projects.",
    "issuanceId": "The id or localName of an issuance: on the sheet issuances, or in the register.",
    "projectLocationId": "The id or localName of a location of the same project.",
    "labels": "The ids or localNames of labels of the same project, parted by semicolons.",
}
_NOTES: Final = {
    "localName": "A name of your own, by which other sheets refer to this row: letters, digits, dots and dashes.",
    "unitBlockStart": "The first serial number, such as BT-X-2021-1.",
    "unitBlockEnd": "The last serial number, itself included, in the same series.",
    "unitCount": "How many units: as many as there are serial numbers from first to last.",
    "unitQuantity": "How many units this admits, all unit rows together.",
    "unitStatusReason": "Required for a unit that is retired or cancelled.",
}
_READ_ME: Final = (
    "Fill in the sheets, one record a row, and import this file: tokenization-engine import FILE --dry-run shows every "
    "problem, and imports nothing.",
    "Yellow columns, marked *, must be filled. The note of each column says what it wants.",
    "Records refer to each other by localName, or by id where the register holds them already.",
    "Sheets and rows without anything in them are passed over. No formulas, no merged cells, no hidden sheets.",
    "Dates are like 2021-12-31. Drop-downs in which other texts are admitted only warn.",
)


def write_template(path: Path, vocabulary: Vocabulary) -> None:
    """Write the template for these governance lists to `path`; raises ExportFailed."""
    with opened_writer(path, is_large=False) as writer:
        first = writer.sheet("read me")
        first.sheet.set_column(0, 0, 100)
        for index, sentence in enumerate(_READ_ME):
            first.sheet.write_string(index, 0, sentence, first.formats["wrapped"])
        sheets = [writer.sheet(name) for name in SHEETS if name != LABEL_UNITS]
        ranges = _write_lists(writer, vocabulary)
        for sheet, out in zip((one for one in SHEETS.values() if one.name != LABEL_UNITS), sheets, strict=True):
            _write_sheet(out, sheet, ranges)


def _write_lists(writer: Writer, vocabulary: Vocabulary) -> dict[str, str]:
    """Write each list as a column; its range by the list's name."""
    out = writer.sheet(_LISTS)
    ranges = {}
    for column, (name, words) in enumerate(vocabulary.lists.items()):
        out.sheet.write_string(0, column, name, out.formats["header"])
        for row, word in enumerate(words, start=1):
            out.cell(row, column, word)
        letters = xl_col_to_name(column)
        ranges[name] = f"={_LISTS}!${letters}$2:${letters}${len(words) + 1}"
    return ranges


def _write_sheet(out: SheetWriter, sheet: Sheet, ranges: dict[str, str]) -> None:
    references: tuple[str, ...] = ("projectId",)
    if sheet.kind is Unit:
        references = ("issuanceId", "projectLocationId", "labels")
    elif sheet.kind is Project:
        references = ()
    fields = [one for one in sheet.fields.values() if not one.is_ours or one.name in _OURS]
    fields = [one for one in fields if sheet.kind is not Unit or one.name not in _OF_THE_ENGINE]
    must = {"issuanceId"} if sheet.name == UNITS else {"projectId"} if sheet.name != PROJECTS else set()
    for column, name in enumerate(references):
        _write_column(out, column, name, is_required=name in must, note=_REFERENCES[name])
        out.sheet.set_column(column, column, 20, out.formats["column"])
    for column, one in enumerate(fields, start=len(references)):
        is_required = one.is_required or one.name in _ASKED
        _write_column(out, column, one.name, is_required=is_required, note=_note(one, ranges))
        style = out.formats["column" if one.kind is Kind.TEXT else "day"] if one.kind is not Kind.WHOLE else None
        out.sheet.set_column(column, column, max(14, len(one.name) + 3), style)
        _write_drop_down(out, column, one, ranges)


def _write_column(out: SheetWriter, column: int, name: str, *, is_required: bool, note: str) -> None:
    style = out.formats["required" if is_required else "header"]
    out.sheet.write_string(0, column, f"{name}*" if is_required else name, style)
    out.sheet.write_comment(0, column, ("Required. " if is_required else "") + note, {"x_scale": 2})


def _note(one: Field, ranges: dict[str, str]) -> str:
    said = _NOTES.get(one.name, "")
    if one.pick_list in ranges:
        return f"One of the list {one.pick_list}. {said}".strip()
    if one.known_list in ranges:
        return f"One of the list {one.known_list}, or another text. {said}".strip()
    if one.kind is Kind.DATE:
        return f"A date, like 2021-12-31. {said}".strip()
    if one.kind is Kind.WHOLE:
        return f"A whole number from {one.lowest} on. {said}".strip()
    return f"A text of up to {one.max_length} characters. {said}".strip()


def _write_drop_down(out: SheetWriter, column: int, one: Field, ranges: dict[str, str]) -> None:
    name = one.pick_list if one.pick_list in ranges else one.known_list
    if name in ranges:
        is_strict = one.pick_list is not None
        rule = {
            "validate": "list",
            "source": ranges[name],
            "error_type": "stop" if is_strict else "information",
            "error_message": f"Expected one of the list {name}." if is_strict else f"Not on the list {name}; admitted.",
        }
        out.sheet.data_validation(1, column, _LAST_ROW, column, rule)
