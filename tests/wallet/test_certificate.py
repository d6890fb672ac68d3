"""The certificate a holder exports reads as consistent, opens what she chose, and names a receipt that is on
chain.
"""

from __future__ import annotations

import pytest

from climate_wallet.certificate import certificate_of
from climate_wallet.errors import NoCertificate, TransactionNotFound
from climate_wallet.journal import Transaction
from climate_wallet.registries import remove_registry
from climate_wallet.retire import retire
from climate_wallet.send import send_units
from climate_wallet.wallet import Wallet
from puzzles.certificate import read_certificate, write_certificate
from puzzles.units import AssetId, Mojos, UnitBlock, units_to_mojos
from tests.wallet.world import METADATA, Registry, World

BLOCK = UnitBlock(series="BT-CDM2746-2019", first=1, last=100)
RECORD = {"beneficiary_name": "Druk Green Power", "beneficiary_country": "BT", "purpose": "voluntary"}


async def retired(world: World, registry: Registry, *, is_confirmed: bool = True) -> tuple[Wallet, Transaction]:
    alice = await world.wallet("alice", registries=[registry])
    asset_id = await registry.issue(BLOCK, alice.current_address().puzzle_hash)
    await alice.catch_up()
    private = ["beneficiary_name", "beneficiary_country"]
    tx = await retire(alice, asset_id, units_to_mojos(40), RECORD, private=private, fee=Mojos(0))
    if is_confirmed:
        await world.chain.farm()
        await alice.catch_up()
    return alice, tx


async def test_holder_exports_a_certificate_whose_receipt_is_on_chain(world: World, registry: Registry) -> None:
    alice, tx = await retired(world, registry)
    text = write_certificate(certificate_of(alice, tx.tx_id, disclosed=["beneficiary_country"]))
    read = read_certificate(text.encode())
    assert (read.unit_block, read.unit_count, read.receipt_id) == (BLOCK, 40, tx.marker)
    assert read.metadata_fields.text("project_name") == METADATA["project_name"]
    assert read.fields.text("purpose") == "voluntary"
    assert [(field.key, field.value) for field in read.disclosed] == [("beneficiary_country", "BT")]
    assert "Druk Green" not in text
    on_chain = (await world.node.coins([read.receipt_id]))[read.receipt_id]
    assert on_chain.spent_height == on_chain.created_height


async def test_certificate_is_only_of_a_confirmed_retirement_of_a_followed_registry(
    world: World, registry: Registry
) -> None:
    alice, tx = await retired(world, registry, is_confirmed=False)
    with pytest.raises(NoCertificate, match="once it is in a block"):
        certificate_of(alice, tx.tx_id)
    await world.chain.farm()
    await alice.catch_up()
    with pytest.raises(NoCertificate, match="no private field purpose"):
        certificate_of(alice, tx.tx_id, disclosed=["purpose"])
    with pytest.raises(TransactionNotFound):
        certificate_of(alice, b"\1" * 32)
    asset_id = AssetId(bytes.fromhex(str(tx.details["asset_id"])[2:]))
    sent = await send_units(alice, asset_id, units_to_mojos(1), registry.officer.puzzle_hash, fee=Mojos(0))
    with pytest.raises(NoCertificate, match="retires nothing"):
        certificate_of(alice, sent.tx_id)
    remove_registry(alice.book.engine, registry.coin.registry)
    with pytest.raises(NoCertificate, match="no longer followed"):
        certificate_of(alice, tx.tx_id)
