"""What the explorer holds on to from block to block: coins known by lineage, and what each of them is.

Nothing is ever found by a hint or a puzzle hash: a coin is followed because the spend that made it was read.
"""

from __future__ import annotations

from dataclasses import dataclass

from puzzles.units import AssetId, CoinId, LauncherId, PuzzleHash


@dataclass(frozen=True, slots=True, kw_only=True)
class LauncherThread:
    """The launcher of a registry whose launch was not read yet (or was undone by a reorg)."""

    registry_id: LauncherId


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryThread:
    """The newest coin of a registry; `position` counts them from 0."""

    registry_id: LauncherId
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenThread:
    """A token coin not known to be spent."""

    asset_id: AssetId
    issuance_hash: bytes
    registry_id: LauncherId
    holder: PuzzleHash


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptThread:
    """An open receipt, left by the retirement of that token coin."""

    registry_id: LauncherId
    burnt_coin_id: CoinId


Thread = LauncherThread | RegistryThread | TokenThread | ReceiptThread
