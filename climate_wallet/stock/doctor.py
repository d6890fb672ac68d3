"""What `climate-wallet --signer chia doctor` looks at instead of the keychain: the official wallet and its key."""

from __future__ import annotations

from chia.wallet.wallet_request_types import GetHeightInfo

from chain.doctor.findings import Found, ok, warning
from chain.settings import NodeSettings
from climate_wallet.stock.connection import hearing, opened_stock
from climate_wallet.stock.settings import SignerSettings
from climate_wallet.stock.wallet import chosen_key


async def check_official(signer: SignerSettings, node: NodeSettings, fingerprint: int | None) -> list[Found]:
    """Whether the official wallet answers, holds the key and has caught up; it is not logged in.

    Raises StockWalletDown, WrongCertificates, WalletLocked, KeyNotFound and their kin.
    """
    async with opened_stock(signer, node) as rpc:
        key = await chosen_key(rpc, fingerprint)
        found = [ok("official wallet", f"it answers at {rpc.place}"), ok("key", f"{key}")]
        with hearing("get_logged_in_fingerprint"):
            now = (await rpc.get_logged_in_fingerprint()).fingerprint
        with hearing("get_sync_status"):
            is_synced = (await rpc.get_sync_status()).synced is True
        with hearing("get_height_info"):
            height = int((await rpc.get_height_info(GetHeightInfo())).height)
    if now != key:
        other = f"the official wallet works with the key {now} now"
        found.append(warning("key in use", other, "nothing: a command of ours switches it"))
    if not is_synced:
        found.append(warning("sync", f"the official wallet is at block {height}", "wait until it has caught up"))
    return found
