"""A full node's RPC over the local chain: chia's own endpoints, and ours where those need full blocks.

The rule guarded here: what the programs hear from the local chain is word for word what a full node would
say, so most answers are made by chia's own `FullNodeRpcApi`, and the rest keep its names, limits and error texts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from chia.full_node.full_node_rpc_api import FullNodeRpcApi, coin_record_dict_backwards_compat
from chia.rpc.rpc_errors import RpcError, RpcErrorCodes
from chia.types.mempool_inclusion_status import MempoolInclusionStatus
from chia.util.byte_types import hexstr_to_bytes
from chia.util.errors import Err
from chia_rs import (
    BlockRecord,
    CoinSpend,
    SpendBundle,
    get_flags_for_height_and_constants,
    get_puzzle_and_solution_for_coin2,
    get_spends_for_trusted_block,
)
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint32

if TYPE_CHECKING:
    from chia.full_node.full_node import FullNode

    from sim.local_chain import LocalChain

Request = dict[str, Any]
Answer = dict[str, Any]
Endpoint = Callable[[Request], Awaitable[Answer]]

_CHIAS_OWN = (
    "get_block_record_by_height",
    "get_block_record",
    "get_block_records",
    "get_aggsig_additional_data",
    "get_constants",
    "get_coin_record_by_name",
    "get_coin_records_by_names",
    "get_coin_records_by_puzzle_hash",
    "get_coin_records_by_puzzle_hashes",
    "get_coin_records_by_parent_ids",
    "get_coin_records_by_hint",
    "push_tx",
    "get_all_mempool_tx_ids",
    "get_all_mempool_items",
    "get_mempool_item_by_tx_id",
    "get_mempool_items_by_coin_name",
    "get_fee_estimate",
)
"""Endpoints that chia's code answers unchanged."""


class LocalNodeRpc(FullNodeRpcApi):
    """Chia's full node RPC, asked of a local chain."""

    def __init__(self, chain: LocalChain) -> None:
        """Answer from this chain."""
        super().__init__(cast("FullNode", _NodeShape(chain)))
        self._chain = chain

    def endpoints(self) -> dict[str, Endpoint]:
        """Every endpoint by name."""
        own: dict[str, Endpoint] = {
            "get_blockchain_state": self.get_blockchain_state,
            "get_network_info": self.get_network_info,
            "get_puzzle_and_solution": self.get_puzzle_and_solution,
            "get_additions_and_removals": self.get_additions_and_removals,
            "get_block_spends": self.get_block_spends,
            "get_coin_records_by_hints": self.get_coin_records_by_hints,
            "healthz": self.healthz,
        }
        return own | {name: getattr(self, name) for name in _CHIAS_OWN}

    async def healthz(self, _: Request) -> Answer:
        """Say that the node is there."""
        return {}

    async def get_network_info(self, _: Request) -> Answer:
        """Name, address prefix and genesis challenge of the network."""
        network = self._chain.network
        return {
            "network_name": network.name,
            "network_prefix": network.address_prefix,
            "genesis_challenge": network.genesis_challenge.hex(),
        }

    async def get_blockchain_state(self, _: Request) -> Answer:
        """The peak and the mempool; a local chain is always synced."""
        constants, manager = self._chain.constants, self._chain.mempool_manager
        sync = {"sync_mode": False, "synced": True, "sync_tip_height": 0, "sync_progress_height": 0}
        state = {
            "peak": self._chain.peak,
            "genesis_challenge_initialized": True,
            "sync": sync,
            "difficulty": constants.DIFFICULTY_STARTING,
            "sub_slot_iters": constants.SUB_SLOT_ITERS_STARTING,
            "space": 0,
            "average_block_time": None,
            "mempool_size": manager.mempool.size(),
            "mempool_cost": manager.mempool.total_mempool_cost(),
            "mempool_fees": manager.mempool.total_mempool_fees(),
            "mempool_min_fees": {"cost_5000000": manager.mempool.get_min_fee_rate(5000000)},
            "mempool_max_total_cost": manager.mempool_max_total_cost,
            "block_max_cost": constants.MAX_BLOCK_COST_CLVM,
            "node_id": self._chain.network.genesis_challenge.hex(),
        }
        return {"blockchain_state": state}

    async def get_puzzle_and_solution(self, request: Request) -> Answer:
        """How a coin was spent in the block at a height."""
        name, height = bytes32.from_hexstr(request["coin_id"]), int(request["height"])
        record = await self._chain.coin_store.get_coin_record(name)
        if record is None or not record.spent or record.spent_block_index != height:
            raise RpcError(
                RpcErrorCodes.INVALID_HEIGHT_FOR_COIN,
                f"Invalid height {height}. coin record {record}",
                data={"height": height},
                structured_message="Invalid height for coin record",
            )
        generator = await self._chain.blocks.generator(height)
        if generator is None:
            raise RpcError.simple(RpcErrorCodes.INVALID_BLOCK_OR_GENERATOR, "Invalid block or block generator")
        constants = self._chain.constants
        puzzle, solution = get_puzzle_and_solution_for_coin2(
            generator,
            [],
            constants.MAX_BLOCK_COST_CLVM,
            record.coin,
            get_flags_for_height_and_constants(height, constants),
        )
        return {"coin_solution": CoinSpend(record.coin, puzzle, solution)}

    async def get_additions_and_removals(self, request: Request) -> Answer:
        """The coins a block created and spent."""
        height = self._block(request).height
        store = self._chain.coin_store
        added, removed = (
            await store.get_coins_added_at_height(height),
            await store.get_coins_removed_at_height(height),
        )
        return {
            "additions": [coin_record_dict_backwards_compat(record.to_json_dict()) for record in added],
            "removals": [coin_record_dict_backwards_compat(record.to_json_dict()) for record in removed],
        }

    async def get_block_spends(self, request: Request) -> Answer:
        """All spends of a block."""
        height = self._block(request).height
        generator = await self._chain.blocks.generator(height)
        if generator is None:
            return {"block_spends": []}
        constants = self._chain.constants
        flags = get_flags_for_height_and_constants(height, constants)
        return get_spends_for_trusted_block(constants, generator, [], flags)

    async def get_coin_records_by_hints(self, request: Request) -> Answer:
        """Coins by several hints, as public endpoints answer it; the limits are those of a single hint."""
        hints = {hexstr_to_bytes(hint) for hint in request["hints"]}
        names = await self._chain.hint_store.get_coin_ids_multi(hints)
        by_name = {key: value for key, value in request.items() if key != "hints"}
        return await self.get_coin_records_by_names(by_name | {"names": [name.hex() for name in names]})

    def _block(self, request: Request) -> BlockRecord:
        """The block whose header hash is asked for."""
        if "header_hash" not in request:
            raise RpcError.simple(RpcErrorCodes.NO_HEADER_HASH_IN_REQUEST, "No header_hash in request")
        header_hash = bytes32.from_hexstr(request["header_hash"])
        record = self._chain.blocks.named(header_hash)
        if record is None:
            raise RpcError(
                RpcErrorCodes.BLOCK_NOT_FOUND,
                f"Block {header_hash.hex()} not found",
                data={"header_hash": header_hash.hex()},
                structured_message="Block not found",
            )
        return record


class _NodeShape:
    """As much of chia's full node as its RPC touches: its stores, its mempool, its view of the blocks."""

    def __init__(self, chain: LocalChain) -> None:
        self._chain = chain
        self.coin_store = chain.coin_store
        self.hint_store = chain.hint_store
        self.constants = chain.constants
        self.blockchain = _BlockchainShape(chain)

    @property
    def mempool_manager(self) -> object:
        """The mempool of this moment: a reorg starts another."""
        return self._chain.mempool_manager

    async def add_transaction(self, bundle: SpendBundle, _name: bytes32) -> tuple[MempoolInclusionStatus, Err | None]:
        """Push, as a peer or a wallet does."""
        return await self._chain.push(bundle)


class _BlockchainShape:
    """As much of chia's blockchain as its RPC touches; there are block records, and no full blocks."""

    def __init__(self, chain: LocalChain) -> None:
        self._chain = chain
        self.block_store = self

    def get_peak_height(self) -> int:
        return self._chain.height

    def height_to_hash(self, height: uint32) -> bytes32 | None:
        record = self._chain.blocks.at(height)
        return None if record is None else record.header_hash

    def height_to_block_record(self, height: uint32) -> BlockRecord | None:
        return self._chain.blocks.at(height)

    def try_block_record(self, header_hash: bytes32) -> BlockRecord | None:
        return self._chain.blocks.named(header_hash)

    async def get_block_record(self, header_hash: bytes32) -> BlockRecord | None:
        return self._chain.blocks.named(header_hash)

    async def get_full_block(self, _header_hash: bytes32) -> None:
        return None
