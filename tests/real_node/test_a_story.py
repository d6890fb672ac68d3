"""The whole life of a registry's units on a real node, through our programs' own doors, every figure checked.

The story is told once; each test asks one thing of what came out. It comes first of its folder: its figures are those
of a registry on which nobody else has worked yet.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from chain.node import connect
from puzzles.units import CoinId
from tests.real_node.cast import BIG, BIG_BLOCKS, BIG_UNITS, FEES, SMALL, SMALL_BLOCKS, SMALL_UNITS, Cast

pytestmark = [pytest.mark.real_node, pytest.mark.timeout(1200)]

ENGINE, WALLET, EXPLORER = "tokenization-engine", "climate-wallet", "climate-explorer"
ISSUED = BIG_BLOCKS * BIG_UNITS + SMALL_BLOCKS * SMALL_UNITS
SENT, RETIRED_OPENLY, RETIRED_PRIVATELY, HANDED_BACK = 400, 120, 35, 60
AUTHORIZATION = ("authorization_id=BT-A6-1", "date=2026-01-15", "cooperative_approach_id=CA0001", "purpose=NDC")


@dataclass(kw_only=True)
class Told:
    """What came out, by the words of the programs."""

    cast: Cast
    folder: Path
    tokenized: Any = None
    tokens: list[str] = field(default_factory=list)
    refusals: dict[str, Any] = field(default_factory=dict)
    retired: dict[str, Any] = field(default_factory=dict)
    taken_back: Any = None
    verdicts: dict[str, Any] = field(default_factory=dict)
    written: Any = None

    def issue(self) -> None:
        """All blocks are the developer's by now; nothing is issued again."""
        cast, self.tokenized = self.cast, self.cast.tokenized
        self.tokens = cast.tokens(BIG)
        self.refusals["issue twice"] = cast.run("registry", ENGINE, "tokenize", f"{BIG}-1", "--wait")

    def trade(self) -> None:
        """A sale; the buyer retires for all to see and in private."""
        cast, token = self.cast, self.tokens[0]
        to = cast.ask("buyer", WALLET, "address")["address"]
        cast.ask("developer", WALLET, "send", str(SENT), "--token", token, "--to", to, *FEES, "--wait")
        cast.until(lambda: cast.units("buyer").get(token) == SENT, "the buyer sees what she bought")
        self.refusals["retire too much"] = cast.run("buyer", WALLET, "retire", str(SENT + 1), "--token", token, *FEES)
        self.retired["openly"] = cast.ask(
            *("buyer", WALLET, "retire", str(RETIRED_OPENLY), "--token", token),
            *("--field", "beneficiary_name=Druk Air", "--field", "purpose=voluntary", *FEES, "--wait"),
        )
        self.retired["privately"] = cast.ask(
            *("buyer", WALLET, "retire", str(RETIRED_PRIVATELY), "--token", token),
            *("--private", "beneficiary_name=A guest", "--field", "purpose=voluntary", *FEES, "--wait"),
        )

    def hand_back(self) -> None:
        """The developer gives units of another block back to the registry."""
        cast, request = self.cast, str(self.folder / "request.json")
        cast.ask(
            "developer",
            WALLET,
            *("detokenize-request", str(HANDED_BACK), "--token", self.tokens[2], "--output", request),
        )
        self.taken_back = cast.ask("registry", ENGINE, "detokenize", request, *FEES, "--wait")

    def say(self) -> None:
        """The registry authorizes a block."""
        scope = (f"series={BIG}", "first=1", f"last={BIG_UNITS}")
        fields = [part for each in (*AUTHORIZATION, *scope) for part in ("--field", each)]
        self.cast.ask("registry", ENGINE, "statement", "authorization", *fields, *FEES, "--wait")

    def rotate(self) -> None:
        """One governor orders two of three; one of the three alone moves nothing, two do."""
        cast = self.cast
        keys = [part for n in (1, 2, 3) for part in ("--governor-key", cast.public_key(f"governor {n}"))]
        first = str(self.folder / "first.json")
        cast.ask(
            *("registry", ENGINE, "rotate", "prepare", *keys, "--threshold", "2", "--output", first, *FEES, "--wait")
        )
        self._attach(first, "governor 1")
        second = str(self.folder / "second.json")
        cast.ask("registry", ENGINE, "rotate", "prepare", "--allot", f"{SMALL}:1-9999", "--output", second)
        alone = self._sign(second, "governor 3")
        self.refusals["one of two"] = cast.run("registry", ENGINE, "rotate", "attach", second, alone, *FEES, "--wait")
        self._attach(second, "governor 2", "governor 3")

    def _sign(self, order: str, who: str) -> str:
        signed = str(self.folder / f"{Path(order).stem}-{who}.json")
        self.cast.ask(who, ENGINE, "rotate", "sign", order, "--output", signed)
        return signed

    def _attach(self, order: str, *signers: str) -> None:
        files = [self._sign(order, who) for who in signers]
        self.cast.ask("registry", ENGINE, "rotate", "attach", order, *files, *FEES, "--wait")

    def look(self) -> None:
        """The auditor reads the chain, tells the register and checks a certificate."""
        cast, file = self.cast, str(self.folder / "certificate.json")
        cast.ask("auditor", EXPLORER, "follow", cast.registry_id)
        cast.ask("auditor", EXPLORER, "sync")
        options = ("--register", cast.register_url, "--confirmations", "1")
        self.written = cast.ask("auditor", EXPLORER, "sync-register", *options)
        cast.ask(
            *("buyer", WALLET, "certificate", self.retired["privately"]["tx_id"]),
            *("--disclose", "beneficiary_name", "--output", file),
        )
        self.verdicts["by node and index"] = cast.ask("auditor", EXPLORER, "verify", file, "--node", "--index")
        forged = self.folder / "forged.json"
        forged.write_text(Path(file).read_text().replace("A guest", "A ghost"))
        self.refusals["forged certificate"] = cast.run("auditor", EXPLORER, "verify", str(forged), "--node")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def told(issued: Cast, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The story, told to its end."""
    story = Told(cast=issued, folder=tmp_path_factory.mktemp("story"))
    with issued.node.farming():
        for chapter in (story.issue, story.trade, story.hand_back, story.say, story.rotate, story.look):
            chapter()
    return story


def test_batch_of_blocks_fills_several_transactions_of_the_real_mempool(told: Told) -> None:
    transactions = told.tokenized["plan"]["transactions"]
    assert len(transactions) > 1
    assert sum(len(each["issues"]) for each in transactions) == BIG_BLOCKS + SMALL_BLOCKS
    assert [job["state"] for job in told.tokenized["jobs"]] == ["registered"] * len(transactions)


async def test_fees_and_times_are_those_of_the_blocks(told: Told) -> None:
    retired = told.cast.ask("auditor", EXPLORER, "retirements")["items"]
    async with connect(told.cast.node.settings) as node:
        for each in retired:
            block = await node.block(each["height"])
            assert block is not None
            assert block.timestamp == each["timestamp"]
            coins = await node.coins([CoinId(bytes.fromhex(each["receipt_id"][2:]))])
            (receipt,) = coins.values()
            assert (receipt.created_height, receipt.spent_height) == (each["height"], each["height"])
            assert receipt.coin.amount == 0


def test_explorer_closes_the_books(told: Told) -> None:
    retired = RETIRED_OPENLY + RETIRED_PRIVATELY
    assert told.cast.ask("auditor", EXPLORER, "supply") == {
        "issued": ISSUED,
        "live": ISSUED - retired - HANDED_BACK,
        "retired": retired,
        "detokenized": HANDED_BACK,
    }


def test_explorer_knows_every_retirement_with_its_serials(told: Told) -> None:
    items = told.cast.ask("auditor", EXPLORER, "retirements")["items"]
    found = sorted(
        (each["unit_block"]["first"], each["unit_block"]["last"], each["beneficiary"], each["is_sealed"])
        for each in items
    )
    assert found == [
        (1, RETIRED_OPENLY, "Druk Air", True),
        (RETIRED_OPENLY + 1, RETIRED_OPENLY + RETIRED_PRIVATELY, None, True),
    ]
    receipts = {each["details"]["receipt_id"] for each in told.retired.values()}
    assert {each["receipt_id"] for each in items} == receipts


def test_explorer_knows_what_was_handed_back_and_said(told: Told) -> None:
    (back,) = told.cast.ask("auditor", EXPLORER, "detokenizations")["items"]
    block = (back["unit_block"]["series"], back["unit_block"]["first"], back["unit_block"]["last"])
    assert block == (BIG, 3 * BIG_UNITS - HANDED_BACK + 1, 3 * BIG_UNITS)
    (said,) = told.cast.ask("auditor", EXPLORER, "statements")["items"]
    assert {"key": "authorization_id", "value": "BT-A6-1"} in said["fields"]["fields"]


def test_wallets_hold_what_the_explorer_says(told: Told) -> None:
    cast = told.cast
    held = {who: cast.units(who) for who in ("developer", "buyer")}
    assert held["buyer"] == {told.tokens[0]: SENT - RETIRED_OPENLY - RETIRED_PRIVATELY}
    assert held["developer"][told.tokens[0]] == BIG_UNITS - SENT
    assert held["developer"][told.tokens[2]] == BIG_UNITS - HANDED_BACK
    for token in (told.tokens[0], told.tokens[2]):
        holders = cast.ask("auditor", EXPLORER, "holders", "--asset-id", token)["items"]
        in_wallets = sum(units.get(token, 0) for units in held.values())
        assert sum(each["mojos"] for each in holders) == 1000 * in_wallets


def test_register_follows_the_chain_unit_by_unit(told: Told) -> None:
    units = told.cast.ask("registry", ENGINE, "units", "list", "--series", BIG, "--limit", "100")["units"]
    first, third = 1, 2 * BIG_UNITS + 1
    retired = RETIRED_OPENLY + RETIRED_PRIVATELY
    found = {(each["first"], each["last"]): each["unitStatus"] for each in units}
    assert found[(first, RETIRED_OPENLY)] == "Retired"
    assert found[(RETIRED_OPENLY + 1, retired)] == "Retired"
    assert (retired + 1, BIG_UNITS) in found
    assert (third, 3 * BIG_UNITS - HANDED_BACK) in found
    assert (3 * BIG_UNITS - HANDED_BACK + 1, 3 * BIG_UNITS) in found
    assert sum(last - first + 1 for first, last in found) == BIG_BLOCKS * BIG_UNITS
    assert (told.written["retirements"], told.written["refused"]) == (2, [])


def test_audit_from_the_chain_alone_finds_no_difference(told: Told) -> None:
    cast = told.cast
    audit = cast.ask("auditor", EXPLORER, "audit", cast.registry_id, "--register", cast.register_url)
    assert audit["is_clean"]
    assert (audit["index_differences"], audit["register_differences"]) == ([], [])


def test_second_rebuild_agrees_to_the_byte(told: Told, tmp_path: Path) -> None:
    cast = told.cast
    fresh = cast.fresh_auditor(tmp_path)
    assert cast.dump(fresh) == cast.dump(cast.actors["auditor"])


def test_certificate_is_found_true_on_the_real_chain(told: Told) -> None:
    verdict = told.verdicts["by node and index"]
    assert "on chain, sealed" in verdict["level"]
    assert told.refusals["forged certificate"].exit_code


def test_registry_is_governed_by_two_of_three_and_still_issues(told: Told) -> None:
    shown = told.cast.ask("registry", ENGINE, "registry", "show")
    assert shown["governor"]["threshold"] == 2
    assert len(shown["governor"]["public_keys"]) == 3
    assert shown["issuer"]["allotment"] == [{"series": SMALL, "first": 1, "last": 9999}]
    assert shown["units_issued"] == ISSUED


@pytest.mark.parametrize("deed", ["issue twice", "retire too much", "one of two"])
def test_what_nobody_may_do_is_refused_in_one_sentence(told: Told, deed: str) -> None:
    answer = told.refusals[deed]
    assert answer.exit_code
    assert "Traceback" not in json.dumps(answer.value)
    assert answer.refusal
