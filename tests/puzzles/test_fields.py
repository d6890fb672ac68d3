"""Metadata and records: canonical when we write them, harmless when a stranger did."""

from __future__ import annotations

import pytest
from chia.types.blockchain_format.program import Program
from hypothesis import given
from hypothesis import strategies as st

from puzzles.errors import RecordError
from puzzles.fields import (
    MAX_READ_FIELDS,
    NO_HASH,
    Field,
    Fields,
    PrivateField,
    commitment_opens,
    read_fields,
    write_fields,
)
from puzzles.record_keys import RECORD_KEYS
from puzzles.retirement import read_receipt_puzzle, receipt_puzzle, receipt_puzzle_hash, write_record
from puzzles.tree import is_readable, tree_hash

SALT = bytes(range(32))
TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=40)
TREES = st.recursive(st.binary(max_size=40), lambda inner: st.tuples(inner, inner), max_leaves=40)


@given(name=TEXT, purpose=TEXT)
def test_record_reads_back_as_written(name: str, purpose: str) -> None:
    public = {"purpose": purpose.strip() or "x", "beneficiary_name": name.strip() or "x"}
    private = PrivateField(key="beneficiary_id", value="LEI 5299", salt=SALT)
    fields = read_fields(write_record(public, (private,)))
    assert fields.is_canonical
    assert [field.key for field in fields.entries] == ["beneficiary_name", "purpose", "beneficiary_id"]
    assert fields.entries[2] == Field(key="beneficiary_id", commitment=private.commitment)
    assert fields.text("beneficiary_id") is None


@pytest.mark.parametrize(
    ("public", "reason"),
    [
        ({"owner": "x"}, "no field of a retirement record"),
        ({"purpose": ""}, "0 bytes"),
        ({"purpose": "x" * 1025}, "1025 bytes"),
        ({"purpose": "a\x00b"}, "control characters"),
        ({"purpose": "\ud800"}, "UTF-8"),
    ],
)
def test_record_that_cannot_stand_on_chain_is_refused(public: dict[str, str], reason: str) -> None:
    with pytest.raises(RecordError, match=reason):
        write_record(public)


def test_field_given_both_public_and_private_is_refused() -> None:
    with pytest.raises(RecordError, match="given twice"):
        write_record({"purpose": "x"}, (PrivateField(key="purpose", value="x", salt=SALT),))


def test_decomposed_text_is_composed_by_the_record_and_refused_by_the_list() -> None:
    decomposed = "Thimphu\u0301"
    assert read_fields(write_record({"reason": decomposed})).is_canonical
    with pytest.raises(RecordError, match="NFC"):
        write_fields([("reason", decomposed)])


def test_every_key_of_the_vocabulary_can_be_written() -> None:
    assert len(read_fields(write_record(dict.fromkeys(RECORD_KEYS, "x"))).entries) == len(RECORD_KEYS)


# ---- private fields


@given(key=st.sampled_from(sorted(RECORD_KEYS)), value=TEXT, salt=st.binary(min_size=32, max_size=32))
def test_commitment_opens_with_its_own_field_only(key: str, value: str, salt: bytes) -> None:
    commitment = bytes(Program.to((key.encode(), (salt, value.encode()))).get_tree_hash())
    assert commitment_opens(commitment, key=key, value=value, salt=salt)
    assert not commitment_opens(commitment, key=key, value=value + "x", salt=salt)
    assert not commitment_opens(commitment, key=key + "x", value=value, salt=salt)
    assert not commitment_opens(commitment, key=key, value=value, salt=salt[:-1] + bytes([salt[-1] ^ 1]))


def test_commitment_does_not_open_by_moving_bytes_between_salt_and_value() -> None:
    field = PrivateField(key="purpose", value="AB", salt=SALT)
    assert not commitment_opens(field.commitment, key="purpose", value="B", salt=SALT + b"A")
    assert not commitment_opens(field.commitment, key="purpose", value=chr(SALT[-1]) + "AB", salt=SALT[:-1])


@pytest.mark.parametrize("length", [0, 31, 33])
def test_salt_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(RecordError, match="exactly 32"):
        PrivateField(key="purpose", value="x", salt=bytes(length))


# ---- what a stranger wrote


@given(tree=TREES)
def test_reader_takes_any_tree(tree: object) -> None:
    program = Program.to(tree)
    fields = read_fields(program)
    assert fields.tree_hash == bytes(program.get_tree_hash())
    if fields.is_canonical:
        assert all(field.value is not None or field.commitment is not None for field in fields.entries)


@pytest.mark.parametrize(
    "tree",
    [
        [(b"purpose", b"\xff\xfe")],
        [(b"purpose", b"a"), (b"purpose", b"b")],
        [(b"Purpose", b"a")],
        [(b"purpose", "e\u0301".encode())],
        [(b"purpose", b"a\x00")],
        [(b"purpose", [b"too short"])],
        [(b"purpose", b"")],
        [((b"purpose", b"x"), b"y")],
        [b"atom"],
        (b"purpose", b"improper"),
        b"atom",
        [(b"purpose", b"x" * 1025)],
        [(f"key_{n}".encode(), b"x") for n in range(33)],
    ],
)
def test_reader_flags_what_is_not_canonical(tree: object) -> None:
    assert not read_fields(Program.to(tree)).is_canonical


def test_reader_shows_no_text_for_a_key_that_stands_twice() -> None:
    fields = read_fields(Program.to([(b"purpose", b"a"), (b"purpose", b"b")]))
    assert fields.text("purpose") is None


def test_reader_never_takes_bytes_for_a_text() -> None:
    (field,) = read_fields(Program.to([(b"\xff\xfe", b"\xff\xfe")])).entries
    assert (field.key, field.value, field.raw) == ("0xfffe", None, b"\xff\xfe")


def test_reader_bounds_a_tree_thirty_thousand_deep() -> None:
    deep = Program.to(0)
    for _ in range(30_000):
        deep = Program.to((1, deep))
    assert read_fields(deep) == Fields(entries=(), is_canonical=False, tree_hash=NO_HASH)
    left = Program.to(0)
    for _ in range(30_000):
        left = Program.to((left, 1))
    assert read_fields(left) == Fields(entries=(), is_canonical=False, tree_hash=NO_HASH)


def test_reader_leaves_out_the_entries_of_a_long_list() -> None:
    fields = read_fields(Program.to([(b"purpose", b"x")] * 1000))
    assert len(fields.entries) == MAX_READ_FIELDS
    assert not fields.is_canonical


def test_hash_of_a_large_tree_is_chias_own() -> None:
    tree = Program.to([(n, bytes(n % 40)) for n in range(3000)])
    assert not is_readable(tree)
    assert tree_hash(tree) == bytes(tree.get_tree_hash())


# ---- receipts


@given(delta=st.integers(-(2**63), -1), tree=TREES)
def test_receipts_puzzle_hash_is_that_of_its_puzzle(delta: int, tree: object) -> None:
    record = Program.to(tree)
    assert receipt_puzzle_hash(delta, record) == bytes(receipt_puzzle(delta, record).get_tree_hash())


@given(delta=st.integers(-(2**63), -1), tree=TREES)
def test_receipt_prints_delta_and_record(delta: int, tree: object) -> None:
    record = Program.to(tree)
    puzzle = receipt_puzzle(delta, record)
    reading = read_receipt_puzzle(puzzle)
    assert reading is not None
    assert (reading.delta, reading.record) == (delta, record)
    assert puzzle.run(Program.to(0)) == Program.to([(1, (delta, record))])


@pytest.mark.parametrize("source", [0, 1, (1, 0), (1, [5]), (1, [(1, 5)]), (1, [(51, (5, 5))]), (2, [(1, (5, 5))])])
def test_other_puzzle_is_no_receipt(source: object) -> None:
    assert read_receipt_puzzle(Program.to(source)) is None
