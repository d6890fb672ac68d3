"""An official wallet for tests without a real node: chia's own request and answer types, over a wallet of ours.

It signs with the keys of `signer`, answers over HTTP, and writes down what it was asked. A test makes it lie or fall
silent by `answers`: an endpoint's name and what it answers instead.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from chia.wallet.conditions import ConditionValidTimes, conditions_from_json_dicts
from chia.wallet.transaction_record import TransactionRecord
from chia.wallet.util.wallet_types import WalletType
from chia.wallet.wallet_request_types import CATSpend, PushTransactions, SendTransaction
from chia.wallet.wallet_spend_bundle import WalletSpendBundle
from chia_rs import Coin, CoinSpend
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint16, uint32, uint64

from chain.network import SIMULATOR0
from climate_wallet.coins import purse
from climate_wallet.spends import OwnCoin, Payment, pay_token, pay_xch, sign, total
from climate_wallet.stock.connection import StockConnection
from climate_wallet.wallet import Wallet
from puzzles.cat import run_tail
from puzzles.units import AssetId, Mojos, PuzzleHash

OURS, THEIRS = 1111111111, 2222222222
Json = dict[str, Any]


@dataclass
class Official:
    """One official wallet: two keys, of which `signer` stands for the first; CAT wallets are numbered from 2."""

    signer: Wallet
    fingerprint: int = OURS
    keys: tuple[int, ...] = (OURS, THEIRS)
    is_locked: bool = False
    assets: list[AssetId] = field(default_factory=list)
    strays: list[AssetId] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    answers: dict[str, Callable[[Json], Any]] = field(default_factory=dict)
    waiting: list[TransactionRecord] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        """Chia's shape of an answer, or of a refusal."""
        name, body = request.match_info["name"], await request.json()
        self.asked.append(name)
        try:
            if name in self.answers:
                found = self.answers[name](body)
                if isinstance(found, web.Response):
                    return found
            else:
                found = await getattr(self, name)(body)
        except ValueError as error:
            return web.json_response({"success": False, "error": str(error), "traceback": "File secret.py"})
        return web.json_response({"success": True, **found})

    async def get_network_info(self, _: Json) -> Json:
        return {"network_name": "simulator0", "network_prefix": "txch"}

    async def get_logged_in_fingerprint(self, _: Json) -> Json:
        return {"fingerprint": self.fingerprint}

    async def get_public_keys(self, _: Json) -> Json:
        return {"keyring_is_locked": self.is_locked, "public_key_fingerprints": [] if self.is_locked else self.keys}

    async def log_in(self, body: Json) -> Json:
        self.fingerprint = body["fingerprint"]
        return {"fingerprint": self.fingerprint}

    async def get_sync_status(self, _: Json) -> Json:
        return {"synced": True, "syncing": False, "genesis_initialized": True}

    async def get_height_info(self, _: Json) -> Json:
        await self.signer.catch_up()
        return {"height": int(self.signer.height), "latest_timestamp": 1}

    async def get_stray_cats(self, _: Json) -> Json:
        shown = {"name": "CAT", "first_seen_height": 1, "sender_puzzle_hash": "0x" + "00" * 32}
        return {"stray_cats": [{"asset_id": "0x" + each.hex(), **shown} for each in self.strays]}

    async def create_new_wallet(self, body: Json) -> Json:
        asset_id = AssetId(bytes.fromhex(body["asset_id"].removeprefix("0x")))
        self.assets.append(asset_id)
        self.strays = [each for each in self.strays if each != asset_id]
        made = {"type": "CAT", "asset_id": "0x" + asset_id.hex(), "wallet_id": len(self.assets) + 1}
        return {"unsigned_transactions": [], "transactions": [], **made}

    async def get_wallets(self, _: Json) -> Json:
        common = {
            "name": "CAT",
            "type": int(WalletType.CAT),
            "data": "",
            "authorized_providers": [],
            "flags_needed": [],
        }
        found = [{"id": number, "flags_needed": [], **common} for number in range(2, len(self.assets) + 2)]
        return {"wallets": found, "fingerprint": self.fingerprint}

    async def cat_get_asset_id(self, body: Json) -> Json:
        return {"wallet_id": body["wallet_id"], "asset_id": "0x" + self._asset(body["wallet_id"]).hex()}  # type: ignore[union-attr]

    async def get_next_address(self, body: Json) -> Json:
        own = self.signer.book.all()[0].puzzle_hash
        return {"wallet_id": body["wallet_id"], "address": self.signer.network.encode_address(own)}

    async def get_spendable_coins(self, body: Json) -> Json:
        held = self.coins_of(body["wallet_id"])
        common = {"confirmed_block_index": 1, "spent_block_index": 0, "coinbase": False, "timestamp": 1}
        records = [{"coin": each.coin.to_json_dict(), **common} for each in held]
        return {"confirmed_records": records, "unconfirmed_removals": [], "unconfirmed_additions": []}

    async def get_wallet_balances(self, body: Json) -> Json:
        found = {}
        for number in body["wallet_ids"]:
            coins = self.coins_of(number)
            amount = int(total(coins))
            found[str(number)] = {
                "confirmed_wallet_balance": amount,
                "unconfirmed_wallet_balance": amount,
                "spendable_balance": amount,
                "pending_change": 0,
                "max_send_amount": amount,
                "unspent_coin_count": len(coins),
                "pending_coin_removal_count": 0,
                "wallet_id": number,
                "wallet_type": 0 if number == 1 else int(WalletType.CAT),
                "fingerprint": self.fingerprint,
                "asset_id": None if number == 1 else "0x" + self._asset(number).hex(),  # type: ignore[union-attr]
                "pending_approval_balance": None,
            }
        return {"wallet_balances": found}

    async def get_transactions(self, body: Json) -> Json:
        mine = [each for each in self.waiting if each.wallet_id == body["wallet_id"]]
        return {"transactions": [each.to_json_dict() for each in mine], "wallet_id": body["wallet_id"]}

    async def delete_unconfirmed_transactions(self, body: Json) -> Json:
        self.waiting = [each for each in self.waiting if each.wallet_id != body["wallet_id"]]
        return {}

    async def push_transactions(self, body: Json) -> Json:
        self.waiting += PushTransactions.from_json_dict(body).transactions
        return {"unsigned_transactions": [], "transactions": []}

    async def cat_spend(self, body: Json) -> Json:
        asked = CATSpend.from_json_dict(body)
        assert not asked.push
        held = self.coins_of(asked.wallet_id)
        discrepancy = asked.cat_discrepancy
        delta, tail, solution = discrepancy if discrepancy is not None else (0, None, None)
        coins = [each for each in held if asked.coins is None or each.coin in asked.coins]
        lead = [condition.to_program() for condition in conditions_from_json_dicts(body.get("extra_conditions", []))]
        if tail is not None and solution is not None:
            lead.append(run_tail(tail, solution))
        if asked.additions is not None:
            pays = [
                Payment(puzzle_hash=PuzzleHash(bytes(a.puzzle_hash)), amount=Mojos(a.amount)) for a in asked.additions
            ]
        else:
            to = self.signer.network.decode_address(asked.inner_address or "")
            pays = [Payment(puzzle_hash=to, amount=Mojos(asked.amount or 0))]
        spends = pay_token(coins, pays, change_to=self._own(1), burn=Mojos(-delta), lead_conditions=lead)
        return self.signed(asked.wallet_id, spends, coins, int(asked.fee), body)

    async def send_transaction(self, body: Json) -> Json:
        asked = SendTransaction.from_json_dict(body)
        coins = self.coins_of(1, body)
        to = Payment(puzzle_hash=self.signer.network.decode_address(asked.address), amount=Mojos(asked.amount))
        spends = pay_xch(coins, [to], fee=Mojos(asked.fee), change_to=self._own(1))
        return self.signed(1, spends, coins, 0, body)

    def signed(self, number: int, spends: list[CoinSpend], coins: Sequence[OwnCoin], fee: int, body: Json) -> Json:
        """The records of one transaction, unpushed."""
        used = [*coins]
        if fee:
            payers = self.coins_of(1, body)
            spends += pay_xch(payers, [], fee=Mojos(fee), change_to=self._own(2), paid_for=coins[0].coin_id)
            used += payers
        assert self.signer.keys is not None
        bundle = sign(spends, used, self.signer.keys, self.signer.network)
        whole = WalletSpendBundle(bundle.coin_spends, bundle.aggregated_signature)
        record = record_of(number, whole, [each.coin for each in coins], fee)
        return {
            "unsigned_transactions": [],
            "transactions": [record.to_json_dict()],
            "transaction": record.to_json_dict(),
            "transaction_id": "0x" + whole.name().hex(),
        }

    def _asset(self, number: int) -> AssetId | None:
        return None if number == 1 else self.assets[number - 2]

    def coins_of(self, number: int, body: Json | None = None) -> list[OwnCoin]:
        """What it can spend of that wallet, but for what the question leaves out."""
        left_out = {each.removeprefix("0x") for each in (body or {}).get("excluded_coin_ids", [])}
        held = purse(self.signer.book, self._asset(number)).spendable
        return [each for each in held if each.coin_id.hex() not in left_out]

    def _own(self, index: int) -> PuzzleHash:
        return self.signer.book.all()[index].puzzle_hash


def record_of(number: int, bundle: WalletSpendBundle, removals: list[Coin], fee: int) -> TransactionRecord:
    """A transaction as the official wallet writes it down."""
    return TransactionRecord(
        confirmed_at_height=uint32(0),
        created_at_time=uint64(1),
        to_puzzle_hash=bytes32.zeros,
        to_address=SIMULATOR0.encode_address(PuzzleHash(bytes(32))),
        amount=uint64(0),
        fee_amount=uint64(fee),
        confirmed=False,
        sent=uint32(0),
        spend_bundle=bundle,
        additions=bundle.additions(),
        removals=removals,
        wallet_id=uint32(number),
        sent_to=[],
        trade_id=None,
        type=uint32(1),
        name=bundle.name(),
        memos={},
        valid_times=ConditionValidTimes(),
    )


@asynccontextmanager
async def serving_official(official: Official) -> AsyncIterator[StockConnection]:
    """The wallet behind HTTP, and a connection to it."""
    app = web.Application()
    app.router.add_post("/{name}", official.answer)
    async with TestServer(app) as server, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        official.url = str(server.make_url("/"))
        yield StockConnection(
            url=official.url, session=session, ssl_context=None, hostname="127.0.0.1", port=uint16(server.port or 1)
        )
