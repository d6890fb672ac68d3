"""How what strangers wrote on chain is kept and shown: as text where it is text, else as hex, bounded and flagged.

The rule guarded here: nothing on chain can make two readers show different things, and bytes never pass for a text.
Kept as JSON in one form, so that two indexes of the same chain hold the same bytes.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Any

from puzzles.fields import Field, Fields
from puzzles.unit_block_tail import BlockReading

MAX_TEXT_BYTES = 1024
MAX_FIELDS_SHOWN = 64


def canonical_json(value: object) -> str:
    """The one JSON text of a value: keys sorted, no spaces, ASCII only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def show_bytes(data: bytes) -> str:
    """The JSON of `{"text": ...}` if the bytes are canonical text, else of `{"hex": "0x..."}`, cut at 1,024 bytes."""
    text = _text(data)
    return canonical_json({"text": text} if text is not None else {"hex": "0x" + data[:MAX_TEXT_BYTES].hex()})


def _text(data: bytes) -> str | None:
    """The text, if it is NFC UTF-8 of 1 to 1,024 bytes without control characters."""
    if not 0 < len(data) <= MAX_TEXT_BYTES:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return text if _is_plain(text) else None


def _is_plain(text: str) -> bool:
    """Whether it is NFC text without control characters, which could drive a terminal."""
    return unicodedata.normalize("NFC", text) == text and all(unicodedata.category(c) != "Cc" for c in text)


def show_fields(fields: Fields) -> str:
    """The JSON of a metadata list, record or statement: its entries, how many, and whether it is canonical."""
    return canonical_json(
        {
            "fields": [_entry(field) for field in fields.entries[:MAX_FIELDS_SHOWN]],
            "field_count": len(fields.entries),
            "is_canonical": fields.is_canonical,
            "tree_hash": "0x" + fields.tree_hash.hex(),
        }
    )


def _entry(field: Field) -> dict[str, Any]:
    if field.value is not None and _is_plain(field.value):
        return {"key": field.key, "value": field.value}
    if field.value is not None:
        return {"key": field.key, "hex": "0x" + field.value.encode().hex()}
    if field.commitment is not None:
        return {"key": field.key, "commitment": "0x" + field.commitment.hex()}
    return {"key": field.key, "hex": "0x" + (field.raw or b"").hex()}


def show_series(reading: BlockReading) -> str:
    """The series in canonical form, else 0x and the hex of its bytes, cut at 1,024 bytes."""
    return reading.block.series if reading.block is not None else "0x" + reading.series[:MAX_TEXT_BYTES].hex()


def text_field(shown: str | None, key: str) -> str | None:
    """`text_of` of the JSON of `show_fields`."""
    return None if shown is None else text_of(json.loads(shown), key)


def text_of(shown: Mapping[str, Any] | None, key: str) -> str | None:
    """The text of that key among the fields shown; None if it is not there, not text, or there twice."""
    found = [entry for entry in (shown or {}).get("fields", []) if entry["key"] == key]
    return found[0].get("value") if len(found) == 1 else None
