"""The governance lists that a register uses: those it loaded last, or the shipped ones.

CAD Trust's lists change between releases, and its live ones differ from those of a test server. A register loads new
ones from a governance file, or from the answer of a CADT server's `/v1/governance/meta/pickList`; they are a record
like any other, with its entry in the audit trail, and records written before stay as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tokenization_engine.errors import VocabularyInvalid
from tokenization_engine.register.audit import Trail, canonical_json
from tokenization_engine.register.fields import LINK_TEXT, SHORT_TEXT
from tokenization_engine.register.lifecycle import PROJECT_MOVES, UNIT_MOVES
from tokenization_engine.register.model import RECORD_KINDS, VocabularyVersion, new_id
from tokenization_engine.register.values import quoted
from tokenization_engine.register.vocabulary import Vocabulary, shipped

MAX_BYTES = 4 * 2**20
"""Largest governance file read; CAD Trust's own is a hundredth of it."""

ENFORCED = frozenset(one.pick_list for kind in RECORD_KINDS for one in kind.fields if one.pick_list)
"""The lists that values are held against; the others say what is known, and any text is admitted."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}", re.ASCII)
_MAX_TEXTS = 10_000
_DRAWN = {"unitStatus": UNIT_MOVES, "projectStatusValues": PROJECT_MOVES}
_INFO_KEY = "vocabulary"


def current(session: Session) -> Vocabulary:
    """The lists in force: the register's last, or the shipped ones if it never loaded any."""
    kept = session.info.get(_INFO_KEY)
    if isinstance(kept, Vocabulary):
        return kept
    row = session.scalars(select(VocabularyVersion).order_by(VocabularyVersion.number.desc()).limit(1)).first()
    found = shipped() if row is None else _vocabulary(row)
    session.info[_INFO_KEY] = found
    return found


def load(session: Session, vocabulary: Vocabulary) -> VocabularyVersion:
    """Put these lists in force, in a session that writes, and give the row that keeps them."""
    last = session.scalar(select(func.max(VocabularyVersion.number))) or 0
    lists = {name: list(texts) for name, texts in vocabulary.lists.items()}
    row = VocabularyVersion(
        id=new_id(),
        number=last + 1,
        source=vocabulary.source,
        version=vocabulary.version,
        lists=canonical_json(lists),
    )
    with Trail.of(session).doing("vocabulary"):
        session.add(row)
        session.flush()
    session.info[_INFO_KEY] = vocabulary
    return row


def read_file(path: Path) -> Vocabulary:
    """The lists in the governance file at `path`; raises VocabularyInvalid, also when it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise VocabularyInvalid(f"the governance file {path} cannot be read ({error.strerror})") from error
    return read_vocabulary(data, path.name)


def read_vocabulary(data: bytes, source: str) -> Vocabulary:
    """The lists in a governance file, or in a CADT server's answer to `/v1/governance/meta/pickList`.

    A governance file is `{"source": ..., "version": ..., "lists": {name: [text, ...]}}`; the answer is the lists
    alone, and `source` then says where it came from. Raises VocabularyInvalid.
    """
    if len(data) > MAX_BYTES:
        raise VocabularyInvalid(f"{source} has more than {MAX_BYTES} bytes and is no governance file")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise VocabularyInvalid(f"{source} is no JSON: expected a governance file or a CADT server's answer") from error
    if not isinstance(value, dict):
        raise VocabularyInvalid(f"{source} is no governance file: expected a JSON object of lists")
    is_file = isinstance(value.get("lists"), dict)
    lists = value["lists"] if is_file else value
    read = {name: _texts(name, texts, source) for name, texts in lists.items()}
    _check_needed(read, source)
    return Vocabulary(
        source=_label(value.get("source") if is_file else None, source, LINK_TEXT),
        version=_label(value.get("version") if is_file else None, "unnamed", SHORT_TEXT),
        lists=read,
    )


def _vocabulary(row: VocabularyVersion) -> Vocabulary:
    lists = {name: tuple(texts) for name, texts in json.loads(row.lists).items()}
    return Vocabulary(source=row.source, version=row.version, lists=lists)


def _texts(name: str, texts: object, source: str) -> tuple[str, ...]:
    if not _NAME.fullmatch(name) or not isinstance(texts, list) or len(texts) > _MAX_TEXTS:
        raise VocabularyInvalid(f"{source}: {quoted(name)} is no list of texts under a plain name")
    for text in texts:
        if not isinstance(text, str) or not text.strip() or len(text) > SHORT_TEXT or not text.isprintable():
            raise VocabularyInvalid(
                f"{source}: {quoted(text)} in {name} is no word: expected 1 to {SHORT_TEXT} printable characters"
            )
    return tuple(dict.fromkeys(texts))


def _check_needed(lists: Mapping[str, tuple[str, ...]], source: str) -> None:
    if missing := sorted(name for name in ENFORCED if not lists.get(name)):
        raise VocabularyInvalid(
            f"{source} lacks {', '.join(missing)}: every list that CAD Trust enforces must be in it, and not empty"
        )
    for name, moves in _DRAWN.items():
        if lost := sorted(set(moves) - set(lists[name])):
            raise VocabularyInvalid(
                f"{source}: {name} lacks {', '.join(lost)}, which the life of a record here leads through: "
                "a register keeps to a drawn life, so these words must stay"
            )


def _label(value: object, otherwise: str, longest: int) -> str:
    text = value if isinstance(value, str) and value.strip() else otherwise
    return "".join(character if character.isprintable() else " " for character in text)[:longest]
