"""Strangers' offers: whatever they hold, they read as what they do, or are refused in one sentence."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from chia.types.blockchain_format.program import Program
from chia.util.bech32m import bech32_encode, convertbits
from chia.wallet.cat_wallet.cat_utils import construct_cat_puzzle
from chia.wallet.trading.offer import Offer as ChiaOffer
from chia_puzzles_py.programs import CAT_PUZZLE, CREDENTIAL_RESTRICTION, REVOCATION_LAYER, SINGLETON_TOP_LAYER_V1_1
from chia_rs import Coin, CoinSpend, G2Element, SpendBundle
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from chain.network import TESTNET11
from climate_wallet.errors import OfferMalformed, OfferUnsupported, WalletError
from climate_wallet.offer import (
    MAX_BYTES,
    MAX_OFFER_COST,
    MAX_OUTPUTS,
    MAX_SPENDS,
    Asked,
    Offer,
    read_offer,
    write_offer,
)
from climate_wallet.offer_amounts import MAX_TEXT
from climate_wallet.offer_sides import payments_to_us
from climate_wallet.retire import known_token
from climate_wallet.spends import OwnCoin, Payment, pay_token, pay_xch, sign
from puzzles.cat import CAT_MOD, CatSpend, cat_ring, lineage_proof, run_tail
from puzzles.retirement import write_record
from puzzles.settlement import SETTLEMENT, SETTLEMENT_HASH, assert_paid, imagined_coin, settlement_puzzle_hash
from puzzles.standard import create_coin, quoted_solution
from puzzles.unit_block_tail import retire_solution
from puzzles.units import AssetId, Height, Mojos, PuzzleHash, units_to_mojos
from tests.wallet.market import Market, encoded, forge, open_market, reread
from tests.wallet.world import XCH, Person, open_world

FORTY = units_to_mojos(40)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Market]:
    """One market for all: nothing here is pushed."""
    async with open_world(tmp_path_factory.mktemp("market")) as world:
        yield await open_market(world)


def reading(market: Market, text: str) -> Offer:
    return read_offer(text, market.bob.network, Height(market.world.chain.height))


async def honest(market: Market) -> str:
    return (await forge(market.alice, {market.asset: FORTY}, {None: Mojos(XCH)})).text(market.alice)


async def test_what_is_no_offer_is_refused_in_one_sentence(market: Market) -> None:
    text = await honest(market)
    bundle = bytes(reread(text))
    wrong = {
        "": "begins with offer1",
        "offer1": "begins with offer1",
        "offer1qqqq": "begins with offer1",
        text[:-1]: "begins with offer1",
        text[:400]: "begins with offer1",
        text.replace("q", "p", 1): "begins with offer1",
        "é" + text: "begins with offer1",
        market.world.chain.network.encode_address(PuzzleHash(bytes(32))): "begins with offer1",
        "offer1" + "q" * MAX_TEXT: "expected at most",
        encoded(bundle, prefix="xch"): "begins with offer1",
        encoded(bundle[:-1]): "cut short",
        encoded(bundle + b"\0"): "cut short",
        encoded(b""): "cut short",
        encoded(bytes(MAX_BYTES + 1)): "unfolds to more than",
        encoded(bytes(SpendBundle([], G2Element()))): "asks for nothing",
    }
    for each, said in wrong.items():
        with pytest.raises(WalletError, match=said) as refused:
            reading(market, each)
        assert str(refused.value).count("\n") == 0


async def test_offer_of_a_newer_version_is_refused_by_name(market: Market) -> None:
    packed = b"\xff\xff" + bytes(20)
    text = bech32_encode("offer", convertbits(list(packed), 8, 5))
    with pytest.raises(OfferMalformed, match="a version that this program does not know"):
        reading(market, text)


async def test_mutated_offers_read_as_the_same_trade_or_are_refused(market: Market) -> None:
    """Bytes changed, left out and doubled, under a checksum made anew: nothing but our own errors, no better trade."""
    data = bytes(reread(await honest(market)))
    dice = random.Random(2019)
    refused = 0
    for _ in range(200):
        mutant = bytearray(data)
        at = dice.randrange(len(mutant))
        match dice.randrange(3):
            case 0:
                mutant[at] ^= 1 << dice.randrange(8)
            case 1:
                del mutant[at : at + dice.randrange(1, 40)]
            case _:
                mutant[at:at] = mutant[at : at + dice.randrange(1, 40)]
        if mutant == data:
            continue
        try:
            offer = reading(market, encoded(bytes(mutant)))
        except (OfferMalformed, OfferUnsupported):
            refused += 1
            continue
        (given,), (asked,) = offer.given, offer.asked
        assert (given.asset_id, given.amount, asked.asset_id, asked.amount) == (market.asset, FORTY, None, XCH)
    assert refused > 190


async def test_offer_that_shows_another_price_or_payee_than_it_signed_is_refused(market: Market) -> None:
    forged = await forge(market.alice, {market.asset: FORTY}, {None: Mojos(XCH)})
    to = market.alice.current_address().puzzle_hash
    for asked in (
        payments_to_us({None: Mojos(XCH - 1)}, forged.coins, to),
        payments_to_us({None: Mojos(XCH)}, forged.coins, Person("thief").puzzle_hash),
        payments_to_us({None: Mojos(XCH)}, forged.coins[:0], to),
        payments_to_us({market.other_asset: units_to_mojos(1)}, forged.coins, to),
    ):
        forged.asked = list(asked)
        with pytest.raises(OfferMalformed, match="another payment than the one it shows"):
            reading(market, forged.text(market.alice))


async def test_offer_that_does_not_insist_on_its_price_is_refused(market: Market) -> None:
    coins = await market.alice.token_coins(market.asset, FORTY)
    to = market.alice.current_address().puzzle_hash
    forged = await forge(market.alice, {market.asset: FORTY}, {None: Mojos(XCH)})
    forged.spends = pay_token(coins, [Payment(puzzle_hash=SETTLEMENT_HASH, amount=FORTY)], change_to=to)
    with pytest.raises(OfferMalformed, match="do not insist on the payment"):
        reading(market, forged.text(market.alice))


async def test_offer_without_its_makers_signature_or_of_another_network_is_refused(market: Market) -> None:
    forged = await forge(market.alice, {market.asset: FORTY}, {None: Mojos(XCH)})
    with pytest.raises(OfferMalformed, match=r"signature does not fit.*simulator0"):
        reading(market, forged.text(market.alice, TESTNET11))
    forged.signature = G2Element()
    with pytest.raises(OfferMalformed, match="signature does not fit"):
        reading(market, forged.text(market.alice))


async def test_offer_that_asks_for_the_takers_signature_is_refused(market: Market) -> None:
    """A maker's puzzle that wants a message of its choice signed by Bob's key: nothing of Bob's is ever signed here."""
    (bobs,) = await market.bob.xch_coins(Mojos(XCH))
    demand = Program.to([49, bobs.address.synthetic_key, b"all I have is yours"])
    forged = await forge(market.alice, {market.asset: FORTY}, {None: Mojos(XCH)}, extra=[demand])
    forged.signature = reread(await honest(market)).aggregated_signature
    with pytest.raises(OfferMalformed, match="signature does not fit"):
        reading(market, forged.text(market.alice))


async def test_offer_with_an_unsigned_spend_of_the_takers_coin_is_refused(market: Market) -> None:
    bobs = await market.bob.xch_coins(Mojos(XCH))
    forged = await forge(market.alice, {market.asset: FORTY}, {None: Mojos(XCH)})
    signed = reread(forged.text(market.alice))
    thief = Person("thief").puzzle_hash
    forged.spends += pay_xch(bobs, [], fee=Mojos(0), change_to=thief)
    forged.signature = signed.aggregated_signature
    with pytest.raises(OfferMalformed, match="signature does not fit"):
        reading(market, forged.text(market.alice))


async def test_offer_that_retires_on_the_side_is_refused(market: Market) -> None:
    token = known_token(market.alice, market.asset).token
    (coin,) = await market.alice.token_coins(market.asset, FORTY)
    to = market.alice.current_address().puzzle_hash
    forged = await forge(market.alice, {market.asset: FORTY}, {None: Mojos(XCH)})
    tail = run_tail(token.tail, retire_solution(60, write_record({})))
    pays = [assert_paid(None, forged.asked[0].groups[0])]
    forged.spends = pay_token(
        [coin],
        [Payment(puzzle_hash=SETTLEMENT_HASH, amount=FORTY)],
        change_to=to,
        burn=units_to_mojos(60),
        lead_conditions=[*pays, tail],
    )
    with pytest.raises(
        OfferUnsupported, match=r"run the tail of the token 0x.* on the side, as when units are retired"
    ):
        reading(market, forged.text(market.alice))


async def test_offer_whose_tail_runs_without_moving_supply_is_refused(market: Market) -> None:
    """A tail that lets everything through, run by a coin that is made that way, and by one of a true lineage."""
    tail = Program.to((1, []))
    asset_id = AssetId(bytes(tail.get_tree_hash()))
    maker = Person("maker of money")
    full = bytes32(construct_cat_puzzle(CAT_MOD, bytes32(asset_id), maker.puzzle).get_tree_hash())
    before = Coin(bytes32(b"9" * 32), full, uint64(XCH))
    coin = Coin(before.name(), full, uint64(XCH))
    asked = _asks(XCH, maker.puzzle_hash, coin)
    conditions = [
        create_coin(SETTLEMENT_HASH, Mojos(XCH), SETTLEMENT_HASH),
        assert_paid(None, asked.groups[0]),
        run_tail(tail, Program.to(0)),
    ]
    for lineage, said in (
        (None, "as when units are retired"),
        (lineage_proof(before, maker.puzzle_hash), "run a token's tail on the side"),
    ):
        ring = [
            CatSpend(
                coin=coin,
                asset_id=asset_id,
                inner_puzzle=maker.puzzle,
                inner_solution=quoted_solution(conditions),
                lineage_proof=lineage,
            )
        ]
        spends = cat_ring(ring)
        signature = sign(spends, [maker.own(coin)], maker.keys, market.bob.network).aggregated_signature
        with pytest.raises(OfferUnsupported, match=said):
            reading(market, write_offer(spends, signature, [asked]))


def _asks(amount: int, to: PuzzleHash, coin: Coin) -> Asked:
    person = Person("anybody")
    (asked,) = payments_to_us(
        {None: Mojos(amount)}, [OwnCoin(coin=coin, address=person.address, created_height=Height(0))], to
    )
    return asked


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ([80, 100], "depends on the age of a coin"),
        ([82, 5], "depends on the age of a coin"),
        ([84, 100], "depends on the age of a coin"),
        ([86, 5], "depends on the age of a coin"),
        ([75, 2], "depends on the age of a coin"),
        ([51, SETTLEMENT_HASH, 0, [SETTLEMENT_HASH]], "gives a coin of no amount"),
        ([66, 0b010010, b"message", bytes(32)], "refused by every node even when it is paid"),
        ([64, bytes(32)], "refused by every node even when it is paid"),
        ([60, b"x" * 2000], "refused by every node even when it is paid"),
    ],
)
async def test_offer_with_conditions_that_no_plain_trade_has_is_refused(
    market: Market, condition: list[object], said: str
) -> None:
    forged = await forge(market.alice, {market.asset: FORTY}, {None: Mojos(XCH)}, extra=[Program.to(condition)])
    with pytest.raises((OfferUnsupported, OfferMalformed), match=said):
        reading(market, forged.text(market.alice))


async def test_gift_and_request_are_refused(market: Market) -> None:
    to = market.alice.current_address().puzzle_hash
    forged = await forge(market.alice, {market.asset: FORTY}, {None: Mojos(XCH)})
    coins = forged.coins
    asked, forged.asked = forged.asked, []
    forged.spends = pay_token(coins, [Payment(puzzle_hash=SETTLEMENT_HASH, amount=FORTY)], change_to=to)
    with pytest.raises(OfferUnsupported, match="asks for nothing: whoever is first takes a gift"):
        reading(market, forged.text(market.alice))
    forged.asked = asked
    forged.spends = pay_token(coins, [], change_to=to, lead_conditions=[assert_paid(None, asked[0].groups[0])])
    with pytest.raises(OfferUnsupported, match="gives nothing"):
        reading(market, forged.text(market.alice))


async def test_offer_of_a_false_token_gives_nothing(market: Market) -> None:
    """An XCH coin that makes a coin at the token's settlement puzzle hash: nobody could ever spend that one."""
    (coin,) = await market.bob.xch_coins(Mojos(XCH))
    asked = _asks(XCH, market.bob.current_address().puzzle_hash, coin.coin)
    forged = await forge(market.alice, {market.asset: FORTY}, {None: Mojos(XCH)})
    false = Payment(puzzle_hash=settlement_puzzle_hash(market.asset), amount=FORTY)
    forged.coins, forged.asked = [coin], [asked]
    forged.spends = pay_xch(
        [coin], [false], fee=Mojos(0), change_to=coin.address.puzzle_hash, extra=[assert_paid(None, asked.groups[0])]
    )
    with pytest.raises(OfferUnsupported, match="gives nothing that this wallet can take"):
        reading(market, forged.text(market.bob))


async def test_same_asset_on_both_sides_and_double_coins_are_refused(market: Market) -> None:
    forged = await forge(market.alice, {market.asset: FORTY}, {market.asset: units_to_mojos(1)})
    with pytest.raises(OfferUnsupported, match="gives and asks the same asset"):
        reading(market, forged.text(market.alice))
    whole = reread(await honest(market))
    doubled = SpendBundle([*whole.coin_spends, whole.coin_spends[-1]], whole.aggregated_signature)
    with pytest.raises(OfferMalformed, match="spends a coin twice"):
        reading(market, encoded(bytes(doubled)))
    twice = SpendBundle([*whole.coin_spends, _stand_in(SETTLEMENT, 1)], whole.aggregated_signature)
    with pytest.raises(OfferMalformed, match="asks for one asset twice"):
        reading(market, encoded(bytes(twice)))
    many = [_stand_in(Program.to((1, number))) for number in range(MAX_SPENDS + 1)]
    with pytest.raises(OfferUnsupported, match=f"expected at most {MAX_SPENDS}"):
        reading(market, encoded(bytes(SpendBundle(many, G2Element()))))


def _stand_in(puzzle: Program, amount: int = 0) -> CoinSpend:
    coin = Coin(bytes32(bytes(32)), bytes32(puzzle.get_tree_hash()), uint64(amount))
    payment = [bytes(32), [bytes(32), 5, []]]
    return CoinSpend(coin, puzzle.to_serialized(), Program.to([payment]).to_serialized())


CURRIED = {
    "singleton": Program.from_bytes(SINGLETON_TOP_LAYER_V1_1).curry((b"1" * 32, (b"2" * 32, b"3" * 32)), SETTLEMENT),
    "take back": construct_cat_puzzle(
        CAT_MOD,
        bytes32(b"1" * 32),
        Program.from_bytes(REVOCATION_LAYER).curry(b"4" * 32, b"5" * 32, SETTLEMENT_HASH),
    ),
    "credential": construct_cat_puzzle(
        CAT_MOD, bytes32(b"1" * 32), Program.from_bytes(CREDENTIAL_RESTRICTION).curry(1, 2, 3, SETTLEMENT)
    ),
    "false mod hash": Program.from_bytes(CAT_PUZZLE).curry(b"6" * 32, b"1" * 32, SETTLEMENT),
    "neither XCH nor a plain CAT": Program.to((1, [])),
    "neither XCH nor a plain CAT ": construct_cat_puzzle(CAT_MOD, bytes32(b"1" * 32), Program.to(1)),
}


@pytest.mark.parametrize("kind", sorted(CURRIED))
async def test_offer_that_asks_for_another_kind_of_coin_is_refused_by_name(market: Market, kind: str) -> None:
    whole = reread((await forge(market.alice, {market.asset: FORTY}, {None: Mojos(XCH)})).text(market.alice))
    spends = [_stand_in(CURRIED[kind]), *whole.coin_spends[1:]]
    with pytest.raises(OfferUnsupported, match=kind.strip()):
        reading(market, encoded(bytes(SpendBundle(spends, whole.aggregated_signature))))


@pytest.mark.parametrize("kind", ["singleton", "take back", "credential", "false mod hash"])
async def test_offer_that_gives_another_kind_of_coin_is_refused_by_name(market: Market, kind: str) -> None:
    whole = reread((await forge(market.alice, {market.asset: FORTY}, {None: Mojos(XCH)})).text(market.alice))
    puzzle = CURRIED[kind]
    coin = Coin(bytes32(b"7" * 32), bytes32(puzzle.get_tree_hash()), uint64(1))
    foreign = CoinSpend(coin, puzzle.to_serialized(), Program.to([0] * 7).to_serialized())
    bundle = SpendBundle([*whole.coin_spends, foreign], whole.aggregated_signature)
    with pytest.raises(OfferUnsupported, match=kind):
        reading(market, encoded(bytes(bundle)))


@pytest.mark.parametrize(
    "solution",
    [
        0,
        [],
        [[]],
        [[bytes(32)]],
        [[bytes(31), [bytes(32), 5]]],
        [[bytes(32), [bytes(31), 5]]],
        [[bytes(32), [bytes(32)]]],
        [[bytes(32), [bytes(32), 0]]],
        [[bytes(32), [bytes(32), -1]]],
        [[bytes(32), [bytes(32), 2**64]]],
        [[bytes(32), [bytes(32), b"\0\5"]]],
        [[bytes(32), *([[bytes(32), 2**63, []]] * 4)]],
        [[bytes(32), [bytes(32), 1]]] * 200,
        [[bytes(32), [bytes(32), [1]]]],
    ],
)
async def test_payments_that_do_not_read_are_refused(market: Market, solution: object) -> None:
    whole = reread((await forge(market.alice, {market.asset: FORTY}, {None: Mojos(XCH)})).text(market.alice))
    stand_in = CoinSpend(
        whole.coin_spends[0].coin, whole.coin_spends[0].puzzle_reveal, Program.to(solution).to_serialized()
    )
    bundle = SpendBundle([stand_in, *whole.coin_spends[1:]], whole.aggregated_signature)
    with pytest.raises(OfferMalformed):
        reading(market, encoded(bytes(bundle)))


async def test_very_deep_payments_are_refused(market: Market) -> None:
    whole = reread((await forge(market.alice, {market.asset: FORTY}, {None: Mojos(XCH)})).text(market.alice))
    deep = b"\xff\x80" * 60_000 + b"\x80"
    first = bytes(whole.coin_spends[0])
    solution = bytes(whole.coin_spends[0].solution)
    changed = CoinSpend.from_bytes(first[: -len(solution)] + deep)
    bundle = SpendBundle([changed, *whole.coin_spends[1:]], whole.aggregated_signature)
    with pytest.raises(OfferMalformed, match="too many or too deep"):
        reading(market, encoded(bytes(bundle)))


async def test_offer_whose_puzzle_runs_without_end_is_refused(market: Market) -> None:
    endless = Program.fromhex("ff02ff02ffff04ff02ff028080")
    coin = Coin(bytes32(b"8" * 32), bytes32(endless.get_tree_hash()), uint64(1))
    solution = Program.to([Program.fromhex("ff02ff02ffff04ff02ff808080")])
    whole = reread((await forge(market.alice, {market.asset: FORTY}, {None: Mojos(XCH)})).text(market.alice))
    spend = CoinSpend(coin, endless.to_serialized(), solution.to_serialized())
    bundle = SpendBundle([*whole.coin_spends, spend], whole.aggregated_signature)
    with pytest.raises(OfferMalformed, match=f"costs more than {MAX_OFFER_COST} to run"):
        reading(market, encoded(bytes(bundle)))


async def test_offer_with_a_flood_of_conditions_is_refused(market: Market) -> None:
    flood = [Program.to([1])] * (MAX_OUTPUTS + 1)
    forged = await forge(market.alice, {market.asset: FORTY}, {None: Mojos(XCH)}, extra=flood)
    with pytest.raises(OfferUnsupported, match=f"more than {MAX_OUTPUTS} conditions"):
        reading(market, forged.text(market.alice))


async def test_offer_that_waits_for_the_coin_of_our_rehearsal_is_refused(market: Market) -> None:
    """A maker who knew the imagined coin could make an offer that reads well and can never be taken."""
    imagined = imagined_coin(Mojos(XCH), None, bytes(32))
    wait = Program.to([64, imagined.coin.name()])
    forged = await forge(market.alice, {market.asset: FORTY}, {None: Mojos(XCH)}, extra=[wait])
    with pytest.raises(OfferMalformed, match="refused by every node"):
        reading(market, forged.text(market.alice))


async def test_our_offers_read_the_same_by_chias_own_code(market: Market) -> None:
    text = await honest(market)
    ours, chias = reading(market, text), ChiaOffer.from_bech32(text)
    assert chias.name() == ours.offer_id
    assert chias.get_offered_amounts() == {bytes32(market.asset): FORTY}
    assert chias.get_requested_amounts() == {None: XCH}
    assert [bytes(coin.name()) for coin in chias.get_involved_coins()] == list(ours.inputs)
    assert re.fullmatch("offer1[02-9ac-hj-np-z]+", text)
