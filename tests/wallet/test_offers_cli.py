"""Offers as their users have them: two daemons, and commands that talk to them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from climate_wallet.errors import AmountError
from climate_wallet.exits import INPUT, REFUSED
from climate_wallet.offer_amounts import parse_amount, parse_amounts, parse_expiry, show_amount
from puzzles.units import AssetId, UnitBlock
from tests.wallet.test_cli import WORDS, Terminal, free_port
from tests.wallet.world import XCH, Registry, World

BLOCK = UnitBlock(series="BT-CDM2746-2019", first=1, last=100)
TOKEN = "0x" + "ab" * 32


@pytest.fixture
async def people(world: World, tmp_path: Path) -> AsyncIterator[tuple[Terminal, Terminal]]:
    """A seller and a buyer, each with a keychain, a home and a daemon of their own."""
    terminals = []
    for name in ("seller", "buyer"):
        (tmp_path / name).mkdir()
        terminals.append(Terminal(home=tmp_path / name, node_url=world.url, port=free_port()))
    seller, buyer = terminals
    await seller.run("keys", "restore", "--words-file", "-", stdin=WORDS)
    await buyer.run("keys", "create")
    await asyncio.gather(*(terminal.start() for terminal in terminals))
    yield seller, buyer
    await asyncio.gather(*(terminal.stop() for terminal in terminals))


async def test_seller_and_buyer_trade_by_their_command_lines(
    world: World, registry: Registry, people: tuple[Terminal, Terminal]
) -> None:
    seller, buyer = people
    to = [(await each.run("address", "--json")).json["address"] for each in people]
    hashes = [world.chain.network.decode_address(each) for each in to]
    token = "0x" + (await registry.issue(BLOCK, hashes[0])).hex()
    await world.fund(hashes[1], 3 * XCH)
    for each in people:
        await each.run("registry", "add", "0x" + registry.id.hex())
    await world.chain.farm()
    for each in people:
        await each.synced(world.chain.height)

    made = await seller.run(
        *("offer", "make", "--give", f"40 units of {token}", "--want", "1.5 XCH", "--expires", "2h")
    )
    assert made.code == 0, made.err
    assert re.fullmatch(r"offer1[a-z0-9]+\n", made.out)
    assert f"gives 40 units of {token}, wants 1.5 XCH; ends at 2026-01-01" in made.err
    file = buyer.home / "units.offer"
    file.write_text(made.out)

    shown = await buyer.run("offer", "show", str(file))
    assert shown.out.splitlines()[:4] == [
        f"you get  40 units of {token}",
        "         of Dagachhu Hydropower Project, vintage 2019, out of BT-CDM2746-2019-1 to 100",
        "you pay  1.5 XCH",
        shown.out.splitlines()[3],
    ]
    assert shown.out.splitlines()[4] == "it is open"
    assert (await buyer.run("offer", "show", made.out.strip(), "--json")).json["can_be_taken"]
    assert (await buyer.run("offer", "show", "-", "--json", stdin=made.out)).json["is_own"] is False

    own = await seller.run("offer", "take", str(file), "--yes")
    assert (own.code, "made the offer itself" in own.err) == (REFUSED, True)
    dear = await buyer.run("offer", "take", str(file), "--max", "1.4 XCH")
    assert (dear.code, "asks for 1.5 XCH, at most 1.4 XCH was agreed to" in dear.err) == (REFUSED, True)
    unsaid = await buyer.run("offer", "take", "-", stdin=made.out)
    assert (unsaid.code, "confirm with --max or --yes" in unsaid.err) == (INPUT, True)
    no = await buyer.run("offer", "take", str(file), stdin="n\n")
    assert (no.code, "you pay  1.5 XCH" in no.err) == (1, True)

    taken = await buyer.run("offer", "take", str(file), "--fee-mojos", "7", stdin="y\n")
    assert (taken.code, f"took 40 units of {token} for 1.5 XCH; fee 0.000000000007 XCH" in taken.out) == (0, True)
    await world.chain.farm()
    for each in people:
        await each.synced(world.chain.height)
    (offer,) = (await seller.run("offer", "list", "--json")).json["offers"]
    assert (offer["state"], offer["ended_height"]) == ("taken", world.chain.height)
    assert "taken" in (await seller.run("offer", "list")).out
    assert "trade" in (await seller.run("history")).out
    history = (await buyer.run("history", "--json")).json
    assert [(tx["kind"], tx["status"]) for tx in history["transactions"]] == [("take_offer", "confirmed")]
    late = await buyer.run("offer", "take", str(file), "--yes")
    assert (late.code, f"was taken by somebody in block {world.chain.height}" in late.err) == (REFUSED, True)

    second = (
        await seller.run("offer", "make", "--give", f"1000 mojos of {token}", "--want", "15 mojos", "--json")
    ).json
    refused = await seller.run("send", "60", "--token", token, "--to", to[1], "--fee-mojos", "0")
    assert (refused.code, "60 wait in pending transactions or open offers" in refused.err) == (REFUSED, True)
    freed = await seller.run("offer", "cancel", second["offer_id"], "--locally")
    assert "whoever has the offer can take it until one of them is spent" in freed.out
    cancelled = await seller.run("offer", "cancel", second["offer_id"], "--fee-mojos", "0")
    assert cancelled.code == 0, cancelled.err
    await world.chain.farm()
    await seller.synced(world.chain.height)
    again = await seller.run("offer", "cancel", second["offer_id"], "--fee-mojos", "0")
    assert (again.code, "was cancelled in block" in again.err) == (REFUSED, True)

    mistakes: list[tuple[int, str, list[str]]] = [
        (INPUT, "begins with offer1", ["offer", "show", "offer1abc"]),
        (INPUT, "cannot be read (No such file or directory)", ["offer", "show", "nowhere.offer"]),
        (INPUT, "cannot be read (Is a directory)", ["offer", "show", "/"]),
        (INPUT, "is no amount of an offer", ["offer", "make", "--give", "1 apple", "--want", "1 XCH"]),
        (INPUT, "is no end of an offer", ["offer", "make", "--give", "1 XCH", "--want", "1 XCH", "--expires", "soon"]),
        (INPUT, "the same asset", ["offer", "make", "--give", "1 XCH", "--want", "2 XCH"]),
        (INPUT, "are no whole units", ["offer", "make", "--give", f"999 mojos of {token}", "--want", "1 XCH"]),
        (
            INPUT,
            "would end before",
            ["offer", "make", "--give", "1 mojo", "--want", f"1 units of {token}", "--expires", "1"],
        ),
        (REFUSED, "can spend 1.5 XCH", ["offer", "make", "--give", "9 XCH", "--want", f"1 unit of {token}"]),
        (REFUSED, "holds nothing of the token", ["offer", "make", "--give", f"1 unit of {TOKEN}", "--want", "1 XCH"]),
        (REFUSED, "made no offer", ["offer", "cancel", TOKEN]),
        (INPUT, "offer_id in the address does not fit", ["offer", "cancel", "0x12"]),
    ]
    for code, said, command in mistakes:
        ran = await seller.run(*command)
        assert (ran.code, said in ran.err, ran.err.count("\n")) == (code, True, 1), (command, ran.err)


def test_amounts_of_offers_are_read_to_the_mojo() -> None:
    token = AssetId(bytes.fromhex("ab" * 32))
    assert parse_amount("1.5 XCH") == (None, 1_500_000_000_000)
    assert parse_amount(" 15 mojos ") == (None, 15)
    assert parse_amount("100 units of " + TOKEN) == (token, 100_000)
    assert parse_amount("1 unit of " + TOKEN) == (token, 1_000)
    assert parse_amount("7 mojos of " + TOKEN) == (token, 7)
    for text in ("1.5 XCH", f"100 units of {TOKEN}", f"1001 mojos of {TOKEN}", "0.000000000001 XCH"):
        assert show_amount(*parse_amount(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "XCH",
        "1 units",
        "0 XCH",
        "0 units of " + TOKEN,
        "0 mojos of " + TOKEN,
        "-1 XCH",
        "1e3 XCH",
        "1.5 units of " + TOKEN,
        "1.5 mojos",
        "1. XCH",
        "1,5 XCH",
        "١ XCH",
        "1 XCH of " + TOKEN,
        "1 units of 0xAB",
        "1 units of " + TOKEN + "ab",
        "0.0000000000001 XCH",
        f"{2**64} mojos",
        f"{2**64} units of {TOKEN}",
        "1 NFT of " + TOKEN,
    ],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(AmountError):
        parse_amount(text)


def test_one_asset_twice_on_a_side_is_refused() -> None:
    with pytest.raises(AmountError, match="second amount of one asset"):
        parse_amounts(["1 XCH", "5 mojos"])


def test_ends_of_offers_are_read_in_each_form() -> None:
    assert parse_expiry("90m") == {"seconds": 5400}
    assert parse_expiry("2h") == {"seconds": 7200}
    assert parse_expiry("7d") == {"seconds": 604_800}
    assert parse_expiry("8123456") == {"height": 8_123_456}
    assert parse_expiry("1767225600") == {"timestamp": 1_767_225_600}
    assert parse_expiry("2026-01-01T00:00Z") == {"timestamp": 1_767_225_600}
    assert parse_expiry("2026-01-01T06:00+06:00") == {"timestamp": 1_767_225_600}
    for wrong in ("", "2026-01-01T00:00", "2w", "-1h", "1.5h", "tomorrow"):
        with pytest.raises(AmountError):
            parse_expiry(wrong)
