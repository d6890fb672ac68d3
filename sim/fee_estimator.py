"""Chia's own fee estimator, spared what can teach it nothing: blocks and transactions without a fee.

Chia's estimator takes some milliseconds a block, most of the time it takes to farm one; a local chain farms
thousands of blocks in which nobody pays a fee.
"""

from __future__ import annotations

from chia.full_node.bitcoin_fee_estimator import BitcoinFeeEstimator
from chia.full_node.fee_estimate_store import FeeStore
from chia.full_node.fee_estimation import FeeBlockInfo, FeeMempoolInfo, MempoolItemInfo
from chia.full_node.fee_estimator import SmartFeeEstimator
from chia.full_node.fee_tracker import FeeTracker
from chia_rs.sized_ints import uint64


class FeeEstimator(BitcoinFeeEstimator):
    """Learns from blocks and transactions that carry a fee, as a full node does from all."""

    @classmethod
    def of_size(cls, max_block_cost: uint64) -> FeeEstimator:
        """An estimator that has seen nothing yet, for blocks of that cost at most."""
        tracker = FeeTracker(FeeStore())
        return cls(tracker, SmartFeeEstimator(tracker, max_block_cost))

    def new_block(self, block_info: FeeBlockInfo) -> None:
        """Learn from a block if anything in it paid a fee."""
        paying = [item for item in block_info.included_items if item.fee]
        if paying:
            super().new_block(FeeBlockInfo(block_info.block_height, paying))
        else:
            self.block_height = block_info.block_height

    def add_mempool_item(self, mempool_info: FeeMempoolInfo, mempool_item: MempoolItemInfo) -> None:
        """Follow a transaction that waits, if it pays a fee."""
        self.last_mempool_info = mempool_info
        if mempool_item.fee:
            super().add_mempool_item(mempool_info, mempool_item)

    def remove_mempool_item(self, mempool_info: FeeMempoolInfo, mempool_item: MempoolItemInfo) -> None:
        """Stop following a transaction that left, if it paid a fee."""
        self.last_mempool_info = mempool_info
        if mempool_item.fee:
            super().remove_mempool_item(mempool_info, mempool_item)
