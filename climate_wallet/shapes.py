"""The JSON shapes of the daemon's answers, in one place: what a client may rely on."""

from __future__ import annotations

from chain.json_values import to_hex
from climate_wallet.coins import Amounts
from climate_wallet.detokenize import DetokenizationRequest
from climate_wallet.journal import Transaction
from climate_wallet.registries import TokenInfo
from climate_wallet.service import ServiceState
from climate_wallet.views import Balances, Followed, Received, TokenBalance
from puzzles.units import MOJOS_PER_UNIT

Json = dict[str, object]


def state_json(state: ServiceState) -> Json:
    """Key, lock, sync and problem."""
    sync = state.sync
    return {
        "network": state.network,
        "signer": state.signer,
        "fingerprint": state.fingerprint,
        "is_locked": state.is_locked,
        "has_passphrase": state.has_passphrase,
        "is_synced": sync is not None and sync.is_synced and state.problem is None,
        "height": None if sync is None else sync.height,
        "peak_height": None if sync is None else sync.peak_height,
        "coins_to_check": None if sync is None else sync.candidates,
        "problem": state.problem,
    }


def balances_json(found: Balances) -> Json:
    """XCH in mojos; tokens in whole units beside their mojos."""
    return {
        "xch": {
            "mojos": found.xch.confirmed,
            "spendable_mojos": found.xch.spendable,
            "coin_count": found.xch.coin_count,
        },
        "tokens": [_token_json(each) for each in found.tokens],
        "unknown_tokens": [
            {"asset_id": to_hex(each.asset_id), **_amounts_json(each.amounts)} for each in found.unknown_tokens
        ],
    }


def _amounts_json(amounts: Amounts) -> Json:
    return {
        "units": amounts.confirmed // MOJOS_PER_UNIT,
        "spendable_units": amounts.spendable // MOJOS_PER_UNIT,
        "mojos": amounts.confirmed,
        "coin_count": amounts.coin_count,
    }


def _token_json(balance: TokenBalance) -> Json:
    assert balance.info is not None
    return {
        "asset_id": to_hex(balance.asset_id),
        **_amounts_json(balance.amounts),
        **info_json(balance.info),
    }


def info_json(info: TokenInfo) -> Json:
    """What the registry said of a token when it issued it."""
    block = info.unit_block
    return {
        "registry_id": to_hex(info.registry_id),
        "series": None if block is None else block.series,
        "first": None if block is None else block.first,
        "last": None if block is None else block.last,
        "metadata": info.metadata,
    }


def transaction_json(tx: Transaction, height: int) -> Json:
    """A transaction of ours; `details` is what the holder asked for, `depth` the blocks on it, its own among them."""
    depth = 0 if tx.confirmed_height is None else max(height - tx.confirmed_height + 1, 1)
    return {
        "tx_id": to_hex(tx.tx_id),
        "kind": tx.kind.value,
        "status": tx.status.value,
        "details": dict(tx.details),
        "fee": tx.fee,
        "created_timestamp": tx.created_timestamp,
        "confirmed_height": tx.confirmed_height,
        "depth": depth,
        "dropped_reason": tx.dropped_reason,
        "push_note": tx.push_note,
    }


def received_json(coin: Received) -> Json:
    """A coin that came from somebody else."""
    return {
        "coin_id": to_hex(coin.coin_id),
        "asset_id": None if coin.asset_id is None else to_hex(coin.asset_id),
        "mojos": coin.amount,
        "height": coin.height,
        "timestamp": coin.timestamp,
    }


def registry_json(registry: Followed) -> Json:
    """A followed registry."""
    return {
        "registry_id": to_hex(registry.registry_id),
        "label": registry.label,
        "spends_read": registry.spends_read,
        "is_ended": registry.is_ended,
    }


def request_json(half: DetokenizationRequest) -> Json:
    """The holder's half of a detokenization, to be handed to the registry as a file."""
    return {
        "kind": "detokenization_request",
        "version": 1,
        "network": half.network,
        "registry_id": to_hex(half.registry_id),
        "registry_inner_puzzle_hash": to_hex(half.registry_inner_puzzle_hash),
        "asset_id": to_hex(half.asset_id),
        "units": half.units,
        "delta": half.delta,
        "coin_id": to_hex(half.coin_id),
        "spend_bundle": to_hex(bytes(half.bundle)),
    }
