"""The official wallet at work for us: one key of it, what it holds, and what our journal has promised of it.

The rules guarded here: nothing is asked of another key than the chosen one; what is spent is looked at before it is
built and again before it is pushed; and the official wallet never pushes by itself, so a refused transaction locks
none of its coins.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from chia.wallet.util.tx_config import DEFAULT_TX_CONFIG
from chia.wallet.util.wallet_types import WalletType
from chia.wallet.wallet_request_types import (
    CATGetAssetID,
    CreateNewWallet,
    CreateNewWalletType,
    GetHeightInfo,
    GetNextAddress,
    GetSpendableCoins,
    GetWallets,
    LogIn,
    WalletCreationMode,
)
from chia_rs import Coin
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint16, uint32
from sqlalchemy import Engine, select

from chain.database import reading
from chain.errors import WrongNetwork
from chain.fees import FeeSettings, fee_for
from chain.network import Network
from chain.node import Node, Peak
from climate_wallet.blocks import ChainMoved, newest_checkpoint, rewind, set_checkpoint
from climate_wallet.errors import (
    KeyNotFound,
    UnknownToken,
    WalletLocked,
    WalletMismatch,
    WalletNotSynced,
)
from climate_wallet.journal import Status, newest, settle
from climate_wallet.registries import TokenInfo, follow_registries, token_info
from climate_wallet.stock.connection import StockConnection, hearing
from climate_wallet.stock.release import release
from climate_wallet.store import InputRow, TransactionRow
from climate_wallet.sync import SyncState
from puzzles.units import AssetId, CoinId, Height, Mojos, PuzzleHash

XCH_WALLET = uint32(1)
"""The official wallet's number for its XCH."""

LATELY = 100
"""Blocks after which the official wallet surely has heard that a coin is spent."""
POLL_SECONDS = 0.5
FINDING_SECONDS = 30.0
"""How long the official wallet may take to find the coins of a token it was just told of."""
DROPPED_LOOKED_AT = 20
"""Newest transactions of ours that are looked through for dropped ones."""

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class StockWallet:
    """One key of an official wallet on one network, with our journal and registries beside it."""

    node: Node
    network: Network
    engine: Engine
    rpc: StockConnection
    fingerprint: int
    fees: FeeSettings = field(default_factory=FeeSettings)
    patience: float = 60.0
    """Seconds the official wallet is given to log in and to catch up."""
    state: SyncState | None = None
    note: str | None = None
    """What the last round found that is no fault, in one sentence."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the store catches up or a transaction is built."""
    _assets: dict[int, AssetId] = field(default_factory=dict)
    """Wallet numbers seen so far and their tokens; a number never changes its token."""
    _released: set[int] = field(default_factory=set)
    """Dropped transactions that the official wallet was asked to forget."""

    @property
    def height(self) -> Height:
        """The newest block the store knows."""
        return Height(0 if self.state is None else max(self.state.height, 0))

    # ---- catching up

    async def round(self) -> SyncState:
        """One round: registries and our transactions from the node, then how far the official wallet is.

        Never logs in: another program may be at work with another key of the official wallet.
        """
        async with self.lock:
            return await self._round()

    async def _round(self) -> SyncState:
        peak = await self.node.synced_peak()
        try:
            is_done = await self._catch_up(peak)
        except ChainMoved:
            is_done = False
        is_ours = await self._logged_in() == self.fingerprint
        is_there = is_ours and await self._is_caught_up(int(peak.height))
        if is_there:
            await self._add_strays()
            await self._release_dropped()
        self.note = None if is_ours else "the official wallet works with another key now: it is switched when asked"
        height = int(peak.height)
        self.state = SyncState(height=height, peak_height=height, candidates=0, is_synced=is_done and is_there)
        return self.state

    async def _catch_up(self, peak: Peak) -> bool:
        if newest_checkpoint(self.engine) != (peak.height, peak.header_hash):
            await rewind(self.node, self.engine, peak)
        has_more = await follow_registries(self.node, self.engine)
        if newest_checkpoint(self.engine) != (peak.height, peak.header_hash):
            await set_checkpoint(self.node, self.engine, peak)
        await settle(self.node, self.engine, peak)
        return not has_more

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Within: the official wallet is logged in with our key and has seen the node's newest block.

        Raises WalletNotSynced, KeyNotFound, WalletLocked, WrongNetwork, StockWalletDown and the node's errors.
        """
        async with self.lock:
            peak = await self.node.synced_peak()
            if not await self._catch_up_now(peak):
                raise WalletNotSynced("the registries are not read to the end yet: try again in a moment")
            await self.log_in()
            await self._wait_for(int(peak.height))
            yield

    async def _catch_up_now(self, peak: Peak) -> bool:
        try:
            return await self._catch_up(peak)
        except ChainMoved:
            raise WalletNotSynced("the chain is moving: try again in a moment") from None

    async def _wait_for(self, height: int) -> None:
        deadline = time.monotonic() + self.patience
        while not await self._is_caught_up(height):
            if time.monotonic() > deadline:
                with hearing("get_height_info"):
                    seen = int((await self.rpc.get_height_info(GetHeightInfo())).height)
                raise WalletNotSynced(
                    f"the official wallet knows the chain up to block {seen}, the node is at {height}: "
                    "try again when it has caught up"
                )
            await asyncio.sleep(POLL_SECONDS)

    async def _is_caught_up(self, height: int) -> bool:
        with hearing("get_sync_status"):
            is_synced = (await self.rpc.get_sync_status()).synced is True
        if not is_synced:
            return False
        with hearing("get_height_info"):
            return int((await self.rpc.get_height_info(GetHeightInfo())).height) >= height

    # ---- the key

    async def log_in(self) -> None:
        """Let the official wallet work with our key; raises KeyNotFound, WalletLocked or WrongNetwork."""
        await self._check_network()
        if await self._logged_in() == self.fingerprint:
            return
        await chosen_key(self.rpc, self.fingerprint)
        with hearing("log_in"):
            await self.rpc.log_in(LogIn(fingerprint=uint32(self.fingerprint)))
        await self.check_key()

    async def check_key(self) -> None:
        """Raise WalletMismatch unless the official wallet works with our key right now."""
        found = await self._logged_in()
        if found != self.fingerprint:
            raise WalletMismatch(
                f"the official wallet works with the key {found} now, expected {self.fingerprint}: another program "
                "switched it; try again"
            )

    async def _logged_in(self) -> int | None:
        with hearing("get_logged_in_fingerprint"):
            found = (await self.rpc.get_logged_in_fingerprint()).fingerprint
            return None if found is None else int(found)

    async def _check_network(self) -> None:
        with hearing("get_network_info"):
            name = str((await self.rpc.get_network_info())["network_name"])
        if name != self.network.name:
            raise WrongNetwork(
                f"the official wallet follows {name[:80]}, expected {self.network.name}: "
                "set CARBON_NETWORK, or CARBON_WALLET_SIGNER_ROOT, to match"
            )

    # ---- what it holds

    async def tokens(self) -> dict[AssetId, int]:
        """The tokens the official wallet was told of, each with its wallet's number."""
        with hearing("get_wallets"):
            answer = await self.rpc.get_wallets(GetWallets(type=uint16(WalletType.CAT)))
            if answer.fingerprint != self.fingerprint:
                raise ValueError(f"it is about the key {answer.fingerprint}, expected {self.fingerprint}")
            numbers = [int(each.id) for each in answer.wallets]
        for number in numbers:
            if number not in self._assets:
                with hearing("cat_get_asset_id"):
                    named = await self.rpc.get_cat_asset_id(CATGetAssetID(wallet_id=uint32(number)))
                    self._assets[number] = AssetId(bytes(named.asset_id))
        return {self._assets[number]: number for number in numbers}

    async def token_wallet(self, asset_id: AssetId) -> int:
        """The number of that token's wallet; a token of a followed registry is added if it is not there yet.

        Raises UnknownToken for any other that the official wallet does not list.
        """
        number = (await self.tokens()).get(asset_id)
        if number is not None:
            return number
        with reading(self.engine) as session:
            info = token_info(session, asset_id)
        if info is None:
            raise UnknownToken(f"the wallet holds nothing of the token 0x{asset_id.hex()}: see its balances")
        number = await self._add(info)
        await self._wait_for_coins(number)
        return number

    async def _wait_for_coins(self, number: int) -> None:
        """Give the official wallet time to find the coins of a token that it was just told of."""
        deadline = time.monotonic() + min(self.patience, FINDING_SECONDS)
        while not await self.spendable(number):
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _add_strays(self) -> None:
        """Add the tokens of followed registries that the official wallet holds and was not told of."""
        with hearing("get_stray_cats"):
            strays = [AssetId(bytes(each.asset_id)) for each in (await self.rpc.get_stray_cats()).stray_cats]
        with reading(self.engine) as session:
            found = [info for asset_id in strays if (info := token_info(session, asset_id)) is not None]
        for info in found:
            await self._add(info)

    async def _release_dropped(self) -> None:
        """Have the official wallet forget what we dropped, each once while this program runs."""
        for tx in newest(self.engine, limit=DROPPED_LOOKED_AT):
            if tx.status is Status.DROPPED and tx.id not in self._released:
                asset_id = bytes.fromhex(str(tx.details.get("asset_id", "")).removeprefix("0x"))
                number = (await self.tokens()).get(AssetId(asset_id)) if asset_id else None
                await release(self.rpc, [int(XCH_WALLET)] if number is None else [int(XCH_WALLET), number], tx)
                self._released.add(tx.id)

    async def _add(self, info: TokenInfo) -> int:
        request = CreateNewWallet(
            wallet_type=CreateNewWalletType.CAT_WALLET,
            mode=WalletCreationMode.EXISTING,
            asset_id=bytes32(info.asset_id),
            name=_name(info),
        )
        with hearing("create_new_wallet"):
            made = await self.rpc.create_new_wallet(request, DEFAULT_TX_CONFIG)
            number = int(made.wallet_id)
        log.info("the official wallet was told of the token %s", info.asset_id.hex())
        return number

    async def spendable(self, number: int) -> list[Coin]:
        """Coins of one of its wallets that nothing pending spends, neither by its own books nor by our journal.

        Of ours also those that are spent in a block already: the official wallet may hear of it later.
        """
        with hearing("get_spendable_coins"):
            answer = await self.rpc.get_spendable_coins(GetSpendableCoins(wallet_id=uint32(number)))
            coins = [record.coin for record in answer.confirmed_records if not record.spent_block_index]
        used = self.used()
        return [coin for coin in coins if bytes(coin.name()) not in used]

    def used(self) -> set[bytes]:
        """Coins that transactions of our journal spend: those that wait, and those that are in a block since lately."""
        is_alive = TransactionRow.dropped_reason.is_(None)
        height = TransactionRow.confirmed_height
        is_young = height.is_(None) | (height > int(self.height) - LATELY)
        with reading(self.engine) as session:
            return set(session.scalars(select(InputRow.coin_id).join(TransactionRow).where(is_alive, is_young)))

    async def address(self) -> PuzzleHash:
        """The official wallet's current address."""
        with hearing("get_next_address"):
            answer = await self.rpc.get_next_address(GetNextAddress(wallet_id=XCH_WALLET, new_address=False))
            text = str(answer.address)
        return self.network.decode_address(text)

    async def estimate_fee(self, cost: int) -> Mojos:
        """The fee the node asks for this CLVM cost; raises FeeTooHigh above the ceiling."""
        return await fee_for(self.node, cost, self.fees)


async def chosen_key(rpc: StockConnection, fingerprint: int | None) -> int:
    """That key of the official wallet's, or the only one it has; raises WalletLocked or KeyNotFound."""
    with hearing("get_public_keys"):
        answer = await rpc.get_public_keys()
        is_locked, known = bool(answer.keyring_is_locked), [int(key) for key in answer.public_key_fingerprints or []]
    listed = ", ".join(str(key) for key in known) or "none"
    if is_locked:
        raise WalletLocked("the official wallet's keychain is locked: unlock it there first")
    if fingerprint is None and len(known) != 1:
        raise KeyNotFound(f"the official wallet holds {len(known)} keys ({listed}): choose one with --fingerprint")
    if fingerprint is not None and fingerprint not in known:
        raise KeyNotFound(
            f"the official wallet does not hold the key {fingerprint}: choose one of its own ({listed}) "
            "with --fingerprint"
        )
    return known[0] if fingerprint is None else fingerprint


def coin_id_of(coin: Coin) -> CoinId:
    """The coin's id."""
    return CoinId(bytes(coin.name()))


def _name(info: TokenInfo) -> str:
    """How the official wallet shows the token: its serials, or its asset id where they are not canonical."""
    block = info.unit_block
    return f"{block.series} {block.first}-{block.last}" if block else f"units {info.asset_id.hex()[:16]}"
