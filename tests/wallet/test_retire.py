"""Holders retire: exactly what they signed, sealed, and provable later field by field."""

from __future__ import annotations

import pytest
from chia.types.blockchain_format.program import Program
from chia_rs import CoinSpend, SpendBundle

from chain.errors import PushRefused
from climate_wallet.coins import amounts, purse
from climate_wallet.errors import AmountError, BuildError, NotEnoughUnits, RequestReused, UnknownToken
from climate_wallet.journal import Status, find
from climate_wallet.retire import known_token, retire
from climate_wallet.send import send_units
from climate_wallet.spends import check, sign
from climate_wallet.wallet import Wallet
from puzzles.errors import RecordError
from puzzles.fields import commitment_opens, read_fields
from puzzles.recognise import Retirement, read_token_spend
from puzzles.retirement import read_receipt_puzzle
from puzzles.units import AssetId, Mojos, UnitBlock, units_to_mojos
from tests.wallet.world import XCH, Registry, World

BLOCK = UnitBlock(series="BT-CDM2746-2019", first=1, last=100)
RECORD = {"beneficiary_name": "Druk Green Power", "purpose": "voluntary"}


async def holder(world: World, registry: Registry, *, units: UnitBlock = BLOCK) -> tuple[Wallet, AssetId]:
    alice = await world.wallet("alice", registries=[registry])
    asset_id = await registry.issue(units, alice.current_address().puzzle_hash)
    await world.fund(alice.current_address().puzzle_hash, XCH)
    await alice.catch_up()
    return alice, asset_id


def receipt_of(bundle: SpendBundle) -> tuple[int, dict[str, object]]:
    """Delta and record that the bundle's sealed receipt prints."""
    for spend in bundle.coin_spends:
        reading = read_receipt_puzzle(Program.from_serialized(spend.puzzle_reveal))
        if reading is not None and spend.coin.amount == 0:
            fields = read_fields(reading.record)
            return reading.delta, {field.key: field.value or field.commitment for field in fields.entries}
    raise AssertionError("no receipt is sealed in this bundle")


async def test_holder_retires_part_of_a_coin_for_a_named_beneficiary(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    tx = await retire(alice, asset_id, units_to_mojos(40), RECORD, fee=Mojos(1000))
    await world.chain.farm()
    await alice.catch_up()
    assert find(alice.book.engine, tx.tx_id).status is Status.CONFIRMED
    assert amounts(alice.book.engine)[asset_id].confirmed == units_to_mojos(60)
    assert receipt_of(tx.bundle) == (-40_000, RECORD)


async def test_holder_retires_a_whole_coin(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    await retire(alice, asset_id, BLOCK.amount, {}, fee=Mojos(0))
    await world.chain.farm()
    await alice.catch_up()
    assert asset_id not in amounts(alice.book.engine)


async def test_holder_retires_from_several_coins_with_one_receipt(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    for units in (30, 20):
        await send_units(alice, asset_id, units_to_mojos(units), alice.current_address().puzzle_hash, fee=Mojos(0))
        await world.chain.farm()
        await alice.catch_up()
    assert amounts(alice.book.engine)[asset_id].coin_count == 3
    tx = await retire(alice, asset_id, units_to_mojos(95), RECORD, fee=Mojos(0))
    await world.chain.farm()
    await alice.catch_up()
    assert receipt_of(tx.bundle)[0] == -95_000
    assert amounts(alice.book.engine)[asset_id].confirmed == units_to_mojos(5)


async def test_retirement_reads_as_one_to_anyone_who_follows_the_token(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    tx = await retire(alice, asset_id, units_to_mojos(7), RECORD, fee=Mojos(0))
    token = known_token(alice, asset_id).token
    read = read_token_spend(tx.bundle.coin_spends[0], asset_id=asset_id, issuance_hash=token.issuance_hash)
    assert isinstance(read.burn, Retirement)
    assert (read.burn.delta, bytes(read.burn.receipt.name())) == (-7000, tx.marker)


async def test_private_field_is_only_committed_to_and_opens_in_one_way(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    tx = await retire(alice, asset_id, units_to_mojos(5), RECORD, private=["beneficiary_name"], fee=Mojos(0))
    _, record = receipt_of(tx.bundle)
    assert record["purpose"] == "voluntary"
    commitment = record["beneficiary_name"]
    assert isinstance(commitment, bytes)
    assert b"Druk Green" not in bytes(tx.bundle)
    (kept,) = tx.details["private"]  # type: ignore[misc]
    salt = bytes.fromhex(kept["salt"].removeprefix("0x"))  # type: ignore[has-type]
    assert commitment_opens(commitment, key="beneficiary_name", value="Druk Green Power", salt=salt)
    assert not commitment_opens(commitment, key="beneficiary_name", value="Druk Green", salt=salt)
    assert not commitment_opens(commitment, key="beneficiary_id", value="Druk Green Power", salt=salt)


async def test_same_private_value_is_hidden_differently_each_time(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    seen = set()
    for _ in range(2):
        tx = await retire(alice, asset_id, units_to_mojos(5), RECORD, private=["purpose"], fee=Mojos(0))
        seen.add(receipt_of(tx.bundle)[1]["purpose"])
        await world.chain.farm()
        await alice.catch_up()
    assert len(seen) == 2


async def test_beneficiary_of_a_refused_retirement_stays_private_when_the_next_one_is_disclosed(
    world: World, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever saw the first bundle tries the name that it hid, with the salt that opens the second."""
    alice, asset_id = await holder(world, registry)
    seen: list[SpendBundle] = []

    async def refuse(bundle: SpendBundle) -> bytes:
        seen.append(bundle)
        raise PushRefused("INVALID_FEE_LOW_FEE", "the transaction was refused: raise the fee")

    with monkeypatch.context() as patch:
        patch.setattr(alice.node, "push", refuse)
        with pytest.raises(PushRefused):
            await retire(alice, asset_id, units_to_mojos(5), RECORD, private=["beneficiary_name"], fee=Mojos(0))
    other = RECORD | {"beneficiary_name": "Tshering"}
    tx = await retire(alice, asset_id, units_to_mojos(5), other, private=["beneficiary_name"], fee=Mojos(0))
    (shown,) = tx.details["private"]  # type: ignore[misc]
    salt = bytes.fromhex(shown["salt"].removeprefix("0x"))  # type: ignore[has-type]
    hidden = receipt_of(seen[0])[1]["beneficiary_name"]
    assert isinstance(hidden, bytes)
    assert not commitment_opens(hidden, key="beneficiary_name", value="Druk Green Power", salt=salt)


async def test_request_asked_again_retires_nothing_twice(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)

    async def ask(units: int) -> bytes:
        fee = Mojos(0)
        return (await retire(alice, asset_id, units_to_mojos(units), RECORD, fee=fee, request_id="order 17")).tx_id

    first = await ask(5)
    assert await ask(5) == first
    await world.chain.farm()
    await alice.catch_up()
    assert await ask(5) == first
    assert amounts(alice.book.engine)[asset_id].confirmed == units_to_mojos(95)
    with pytest.raises(RequestReused, match="'order 17' stands for another transaction"):
        await ask(6)


async def test_fraction_and_nothing_cannot_be_retired(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    for amount in (999, 1500, 0, -1000):
        with pytest.raises(AmountError):
            await retire(alice, asset_id, Mojos(amount), RECORD, fee=Mojos(0))


async def test_more_than_held_cannot_be_retired(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    with pytest.raises(NotEnoughUnits):
        await retire(alice, asset_id, units_to_mojos(101), RECORD, fee=Mojos(0))


async def test_record_outside_the_vocabulary_is_refused(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    with pytest.raises(RecordError, match="shoe_size"):
        await retire(alice, asset_id, units_to_mojos(1), {"shoe_size": "44"}, fee=Mojos(0))
    with pytest.raises(RecordError, match="purpose is to be private but has no value"):
        await retire(alice, asset_id, units_to_mojos(1), {}, private=["purpose"], fee=Mojos(0))


async def test_token_of_a_registry_not_followed_cannot_be_retired(world: World, registry: Registry) -> None:
    alice = await world.wallet("alice")
    asset_id = await registry.issue(BLOCK, alice.current_address().puzzle_hash)
    await alice.catch_up()
    assert amounts(alice.book.engine)[asset_id].confirmed == BLOCK.amount
    with pytest.raises(UnknownToken, match="registry add"):
        await retire(alice, asset_id, units_to_mojos(1), {}, fee=Mojos(0))


async def test_bundle_taken_apart_at_any_seam_is_refused(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    await send_units(alice, asset_id, units_to_mojos(50), alice.current_address().puzzle_hash, fee=Mojos(0))
    await world.chain.farm()
    await alice.catch_up()
    assert alice.keys is not None
    coins = [*purse(alice.book, asset_id).spendable, *purse(alice.book, None).spendable]
    tx = await retire(alice, asset_id, units_to_mojos(80), RECORD, fee=Mojos(700))
    spends = list(tx.bundle.coin_spends)
    assert len(spends) == 4  # two token coins, the seal, the fee coin

    def holds(part: list[CoinSpend]) -> bool:
        """Whether consensus takes the part, even for an attacker who has a signature for each spend alone."""
        assert alice.keys is not None
        try:
            check(sign(part, coins, alice.keys, world.chain.network), world.chain.network, world.chain.height)
        except BuildError:
            return False
        return True

    seal = next(spend for spend in spends if spend.coin.amount == 0)
    fee = next(spend for spend in spends if spend.coin.amount == XCH)
    assert holds(spends)
    for part in ([spend for spend in spends if spend is not out] for out in spends if out is not fee):
        assert not holds(part)
    for spend in spends:
        assert holds([spend]) == (spend is seal)  # an open receipt is anyone's to seal; it pays nothing


async def test_retirement_with_change_costs_no_more_than_its_floor(world: World, registry: Registry) -> None:
    alice, asset_id = await holder(world, registry)
    record = {"beneficiary_name": "Druk Green Power Corporation", "purpose": "voluntary"}
    tx = await retire(alice, asset_id, units_to_mojos(1), record, fee=Mojos(0))
    assert check(tx.bundle, world.chain.network, world.chain.height).cost <= 43_000_000
