from __future__ import annotations

import json
from typing import Any

import pytest
from chia.types.blockchain_format.program import Program
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from chain.node import Node
from explorer.certificate import CONSISTENT, OPEN, SEALED, verify
from explorer.follow import catch_up
from explorer.registries import follow_registry
from puzzles.certificate import MAX_BYTES, Certificate, read_certificate, write_certificate
from puzzles.errors import CertificateError, PuzzleError
from puzzles.fields import PrivateField, write_fields
from puzzles.retirement import write_record
from puzzles.units import CoinId, LauncherId, PuzzleHash, UnitBlock
from tests.explorer.world import METADATA, SERIES, Held, World, unit_block

HIDDEN = PrivateField(key="beneficiary_name", value="Émilie du Châtelet", salt=b"\x07" * 32)


def certificate_of(held: Held, units: int, record: Program, **more: Any) -> Certificate:
    block = held.token.reading.block
    assert block is not None
    return Certificate(
        genesis_challenge=held.holder.network.genesis_challenge,
        registry_id=held.token.registry,
        unit_block=block,
        metadata=write_fields(METADATA.items()),
        parent_coin_id=CoinId(bytes(held.coin.parent_coin_info)),
        inner_puzzle_hash=held.holder.puzzle_hash,
        amount=int(held.coin.amount),
        unit_count=units,
        record=record,
        **more,
    )


def sample(**changes: Any) -> Certificate:
    parts: dict[str, Any] = {
        "genesis_challenge": b"\x01" * 32,
        "registry_id": LauncherId(b"\x02" * 32),
        "unit_block": UnitBlock(series=SERIES, first=1, last=100),
        "metadata": write_fields(METADATA.items()),
        "parent_coin_id": CoinId(b"\x03" * 32),
        "inner_puzzle_hash": PuzzleHash(b"\x04" * 32),
        "amount": 100_000,
        "unit_count": 60,
        "record": write_record({"purpose": "voluntary"}, (HIDDEN,)),
        "disclosed": (HIDDEN,),
        "serials": UnitBlock(series=SERIES, first=1, last=60),
    }
    return Certificate(**{**parts, **changes})


def rewritten(**changes: Any) -> bytes:
    """The sample with some top keys changed (None as a value of `drop` removes one), still in canonical form."""
    value = {**json.loads(write_certificate(sample())), **changes}
    return canonical({key: each for key, each in value.items() if each != "drop"})


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_reader_reads_what_the_writer_wrote() -> None:
    certificate = sample()

    again = read_certificate(write_certificate(certificate).encode())

    assert write_certificate(again) == write_certificate(certificate)
    assert again.receipt_id == certificate.receipt_id
    assert again.disclosed == (HIDDEN,)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 5000,
        b"x" * (MAX_BYTES + 1),
        write_certificate(sample()).encode() + b"\n",
        b" " + write_certificate(sample()).encode(),
        write_certificate(sample()).replace('"version":1', '"version":1,"version":1').encode(),
        write_certificate(sample()).replace('"version":1', '"version":1.0').encode(),
        write_certificate(sample()).replace('"version":1', '"version":true').encode(),
        json.dumps(json.loads(write_certificate(sample())), sort_keys=True, separators=(",", ":")).encode(),
        rewritten(more=1),
        rewritten(version=2),
        rewritten(format="other"),
        rewritten(proof={}),
        rewritten(receipt_id="drop"),
        rewritten(registry_id="0x" + "AB" * 32),
        rewritten(registry_id="ab" * 32),
        rewritten(registry_id="0x" + "ab" * 31),
        rewritten(record="0xff"),
        rewritten(record="0x8101"),
        rewritten(metadata="0xfe80"),
        rewritten(metadata="0xff61fe02"),
        rewritten(record="0x" + "ff" * 60 + "61" + "fe02" * 60),
        rewritten(unit_count=0),
        rewritten(unit_count=-60),
        rewritten(unit_count=101),
        rewritten(unit_count="60"),
        rewritten(unit_block={"first": 1, "last": 100}),
        rewritten(unit_block={"first": 1, "last": 100, "series": "bt-1 "}),
        rewritten(unit_block={"first": 1, "last": 100, "series": SERIES, "more": 1}),
        rewritten(coin={"amount": 2**64, "inner_puzzle_hash": "0x" + "04" * 32, "parent_coin_id": "0x" + "03" * 32}),
        rewritten(serials={"first": 1, "last": 61}),
        rewritten(serials={"first": 50, "last": 109}),
        rewritten(disclosed=[{"key": "purpose", "salt": "0x" + "07" * 32, "value": "voluntary"}]),
        rewritten(disclosed=[{"key": HIDDEN.key, "salt": "0x" + "07" * 32, "value": "Emilie du Châtelet"}]),
        rewritten(disclosed=[{"key": HIDDEN.key, "salt": "0x" + "07" * 31, "value": HIDDEN.value}]),
        rewritten(disclosed=2 * [{"key": HIDDEN.key, "salt": "0x" + "07" * 32, "value": HIDDEN.value}]),
    ],
)
def test_text_that_is_no_canonical_consistent_certificate_is_refused(data: bytes) -> None:
    with pytest.raises(CertificateError):
        read_certificate(data)


def test_certificate_without_its_disclosed_field_still_stands() -> None:
    certificate = read_certificate(rewritten(disclosed=[]))

    assert certificate.disclosed == ()
    assert certificate.receipt_id == sample().receipt_id


BYTES = write_certificate(sample()).encode()


@settings(max_examples=400, deadline=None)
@given(place=st.integers(0, len(BYTES) - 1), byte=st.integers(0, 255))
def test_forger_who_changes_any_byte_is_refused_or_names_another_network_serials_or_nothing(
    place: int, byte: int
) -> None:
    forged = BYTES[:place] + bytes([byte]) + BYTES[place + 1 :]
    try:
        certificate = read_certificate(forged)
    except CertificateError:
        return
    true = sample()
    is_same = (certificate.receipt_id, certificate.record, certificate.disclosed) == (
        true.receipt_id,
        true.record,
        true.disclosed,
    )
    assert is_same
    is_other_claim = certificate.genesis_challenge != true.genesis_challenge or certificate.serials != true.serials
    assert forged == BYTES or is_other_claim


@settings(max_examples=100, deadline=None)
@given(
    part=st.sampled_from(["registry_id", "parent_coin_id", "inner_puzzle_hash", "amount", "unit_count", "record"]),
    at=st.integers(0, 31),
    bit=st.integers(0, 7),
)
def test_forger_who_changes_any_part_and_writes_it_well_makes_another_receipt(part: str, at: int, bit: int) -> None:
    true = sample()
    value = getattr(true, part)
    if isinstance(value, bytes):
        changed: Any = value[:at] + bytes([value[at] ^ 1 << bit]) + value[at + 1 :]
    elif isinstance(value, int):
        changed = value ^ 1 << bit
    else:
        changed = write_record({"purpose": f"voluntary {at} {bit}"}, (HIDDEN,))
    try:
        forged = sample(**{part: changed, "serials": None})
    except PuzzleError:
        return
    assert forged.receipt_id != true.receipt_id


async def test_verifier_says_what_is_proven_without_a_node_and_with_one(
    world: World, node: Node, index: Engine
) -> None:
    registry = await world.launch()
    (held,) = await registry.issue(unit_block(1, 100))
    record = write_record({"purpose": "voluntary"}, (HIDDEN,))
    _, rest = await world.retire(held, 60, record)
    assert rest is not None
    open_record = write_record({})
    receipt, _ = await world.retire(rest, 40, open_record, is_sealed=False)
    await follow_registry(node, index, registry.registry_id)
    await catch_up(node, index)
    stated = UnitBlock(series=SERIES, first=1, last=60)
    sealed = certificate_of(held, 60, record, disclosed=(HIDDEN,), serials=stated)
    still_open = certificate_of(rest, 40, open_record)
    assert still_open.receipt == receipt

    alone = await verify(sealed)
    on_node = await verify(sealed, node=node)
    on_both = await verify(sealed, node=node, index=index)

    assert alone.level == CONSISTENT
    assert any("on chain" in sentence for sentence in alone.not_proven)
    assert on_node.level == SEALED
    assert any("serials" in sentence for sentence in on_node.not_proven)
    assert on_both.level == SEALED
    assert not any("serials" in sentence for sentence in on_both.not_proven)
    assert on_both.disclosed == {"beneficiary_name": HIDDEN.value}
    assert (await verify(still_open, node=node)).level == OPEN


async def test_forged_certificate_fails_against_the_chain(world: World, node: Node, index: Engine) -> None:
    registry = await world.launch()
    (held,) = await registry.issue(unit_block(1, 100))
    record = write_record({"purpose": "voluntary"})
    await world.retire(held, 60, record)
    await follow_registry(node, index, registry.registry_id)
    await catch_up(node, index)

    other_serials = certificate_of(held, 60, record, serials=UnitBlock(series=SERIES, first=41, last=100))
    for forged in (
        certificate_of(held, 59, record),
        certificate_of(held, 60, write_record({"purpose": "NDC"})),
        sample(),
        other_serials,
    ):
        with pytest.raises(CertificateError):
            await verify(forged, node=node, index=index)
