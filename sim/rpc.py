"""A full node's RPC over the local chain, in the words of chia's own.

The rule guarded here: what the programs hear from the local chain is word for word what a full node would say: a
test asks chia's own `FullNodeRpcApi` the same questions of the same stores and compares. (That class is not used
here because it loads the whole of a full node, which takes longer than the chain takes to start.)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from chia.rpc.rpc_errors import RpcError, RpcErrorCodes
from chia.types.mempool_inclusion_status import MempoolInclusionStatus
from chia.util.byte_types import hexstr_to_bytes
from chia.util.math import make_monotonically_decreasing
from chia_rs import (
    BlockRecord,
    CoinRecord,
    CoinSpend,
    SpendBundle,
    get_flags_for_height_and_constants,
    get_puzzle_and_solution_for_coin2,
    get_spends_for_trusted_block,
)
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint32, uint64

from sim.local_chain import LocalChain

Request = dict[str, Any]
Answer = dict[str, Any]
Endpoint = Callable[[Request], Awaitable[Answer]]


class LocalNodeRpc:
    """A full node's endpoints, asked of a local chain."""

    def __init__(self, chain: LocalChain) -> None:
        """Answer from this chain."""
        self._chain = chain

    def endpoints(self) -> dict[str, Endpoint]:
        """Every endpoint by name: each public coroutine of this class."""
        names = [name for name in vars(LocalNodeRpc) if not name.startswith("_") and name != "endpoints"]
        return {name: getattr(self, name) for name in names}

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
            "additions": _shown(added),
            "removals": _shown(removed),
        }

    async def get_block(self, request: Request) -> Answer:
        """A whole block."""
        return {"block": await self._chain.blocks.full_block(self._chain.constants, self._block(request))}

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

    async def get_block_record_by_height(self, request: Request) -> Answer:
        """The block at a height."""
        height = _needed(request, "height", RpcErrorCodes.NO_HEIGHT_IN_REQUEST, "No height in request")
        record = self._chain.blocks.at(uint32(height))
        if record is None:
            raise RpcError(
                RpcErrorCodes.BLOCK_HEIGHT_NOT_FOUND,
                f"Block height {height} not found in chain",
                data={"height": height},
                structured_message="Block height not found in chain",
            )
        return {"block_record": record}

    async def get_block_record(self, request: Request) -> Answer:
        """The block of a header hash."""
        text = _needed(request, "header_hash", RpcErrorCodes.HEADER_HASH_NOT_IN_REQUEST, "header_hash not in request")
        header_hash = bytes32.from_hexstr(text)
        record = self._chain.blocks.named(header_hash)
        if record is None:
            raise RpcError(
                RpcErrorCodes.BLOCK_DOES_NOT_EXIST,
                f"Block {header_hash.hex()} does not exist",
                data={"header_hash": header_hash.hex()},
                structured_message="Block does not exist",
            )
        return {"block_record": record}

    async def get_block_records(self, request: Request) -> Answer:
        """The blocks from a height up to before another."""
        start = int(_needed(request, "start", RpcErrorCodes.NO_START_IN_REQUEST, "No start in request"))
        end = int(_needed(request, "end", RpcErrorCodes.NO_END_IN_REQUEST, "No end in request"))
        last = min(end, len(self._chain.blocks))
        return {"block_records": [self._chain.blocks.at(height) for height in range(start, last)]}

    async def get_aggsig_additional_data(self, _: Request) -> Answer:
        """What AGG_SIG_ME adds to every message."""
        return {"additional_data": self._chain.constants.AGG_SIG_ME_ADDITIONAL_DATA.hex()}

    async def get_constants(self, _: Request) -> Answer:
        """The consensus constants."""
        return {"constants": self._chain.constants.to_json_dict()}

    async def get_coin_record_by_name(self, request: Request) -> Answer:
        """A coin by its id."""
        text = _needed(request, "name", RpcErrorCodes.NAME_NOT_IN_REQUEST, "Name not in request")
        name = bytes32.from_hexstr(text)
        record = await self._chain.coin_store.get_coin_record(name)
        if record is None:
            raise RpcError(
                RpcErrorCodes.COIN_RECORD_NOT_FOUND,
                f"Coin record 0x{name.hex()} not found",
                data={"name": name.hex()},
                structured_message="Coin record not found",
            )
        return {"coin_record": _shown([record])[0]}

    async def get_coin_records_by_names(self, request: Request) -> Answer:
        """Coins by their ids; unspent ones unless told."""
        names = _needed(request, "names", RpcErrorCodes.NAMES_NOT_IN_REQUEST, "Names not in request")
        find = self._chain.coin_store.get_coin_records_by_names
        return {"coin_records": _shown(await find(names=_bytes(names), **_range(request)))}

    async def get_coin_records_by_puzzle_hash(self, request: Request) -> Answer:
        """Coins of one puzzle hash; unspent ones unless told."""
        text = _needed(request, "puzzle_hash", RpcErrorCodes.PUZZLE_HASH_NOT_IN_REQUEST, "Puzzle hash not in request")
        find = self._chain.coin_store.get_coin_records_by_puzzle_hash
        return {"coin_records": _shown(await find(puzzle_hash=_bytes([text])[0], **_range(request)))}

    async def get_coin_records_by_puzzle_hashes(self, request: Request) -> Answer:
        """Coins of several puzzle hashes; unspent ones unless told."""
        code, words = RpcErrorCodes.PUZZLE_HASHES_NOT_IN_REQUEST, "Puzzle hashes not in request"
        hashes = _needed(request, "puzzle_hashes", code, words)
        find = self._chain.coin_store.get_coin_records_by_puzzle_hashes
        return {"coin_records": _shown(await find(puzzle_hashes=_bytes(hashes), **_range(request)))}

    async def get_coin_records_by_parent_ids(self, request: Request) -> Answer:
        """Children of several coins, 50,000 at most; unspent ones unless told."""
        parents = _needed(request, "parent_ids", RpcErrorCodes.PARENT_IDS_NOT_IN_REQUEST, "Parent IDs not in request")
        find = self._chain.coin_store.get_coin_records_by_parent_ids
        return {"coin_records": _shown(await find(parent_ids=_bytes(parents), **_range(request)))}

    async def get_coin_records_by_hint(self, request: Request) -> Answer:
        """Coins of one hint, the first 50,000 names; unspent ones unless told."""
        text = _needed(request, "hint", RpcErrorCodes.HINT_NOT_IN_REQUEST, "Hint not in request")
        names = await self._chain.hint_store.get_coin_ids(bytes32.from_hexstr(text))
        find = self._chain.coin_store.get_coin_records_by_names
        return {"coin_records": _shown(await find(names=names, **_range(request)))}

    async def push_tx(self, request: Request) -> Answer:
        """What the mempool says to a transaction."""
        code, words = RpcErrorCodes.SPEND_BUNDLE_NOT_IN_REQUEST, "Spend bundle not in request"
        bundle = SpendBundle.from_json_dict(_needed(request, "spend_bundle", code, words))
        name = bundle.name()
        status, error = await self._chain.push(bundle)
        if status == MempoolInclusionStatus.FAILED:
            assert error is not None, "chia names an error with each failure"
            raise RpcError(
                RpcErrorCodes.TRANSACTION_FAILED,
                f"Failed to include transaction {name}, error {error.name}",
                data={"spend_name": str(name), "error": error.name},
                structured_message="Failed to include transaction",
            )
        return {"status": status.name}

    async def get_all_mempool_tx_ids(self, _: Request) -> Answer:
        """The ids of all waiting transactions."""
        return {"tx_ids": list(self._chain.mempool_manager.mempool.all_item_ids())}

    async def get_all_mempool_items(self, _: Request) -> Answer:
        """All waiting transactions by id."""
        items = self._chain.mempool_manager.mempool.all_items()
        return {"mempool_items": {item.name.hex(): item.to_json_dict() for item in items}}

    async def get_mempool_item_by_tx_id(self, request: Request) -> Answer:
        """A waiting transaction; those put aside too if told."""
        text = _needed(request, "tx_id", RpcErrorCodes.NO_TX_ID_IN_REQUEST, "No tx_id in request")
        tx_id = bytes32.from_hexstr(text)
        item = self._chain.mempool_manager.get_mempool_item(tx_id, request.get("include_pending", False))
        if item is None:
            raise RpcError(
                RpcErrorCodes.TX_NOT_IN_MEMPOOL,
                f"Tx id 0x{tx_id.hex()} not in the mempool",
                data={"tx_id": tx_id.hex()},
                structured_message="Tx id not in the mempool",
            )
        return {"mempool_item": item.to_json_dict()}

    async def get_mempool_items_by_coin_name(self, request: Request) -> Answer:
        """The waiting transactions that spend a coin."""
        text = _needed(request, "coin_name", RpcErrorCodes.NO_COIN_NAME_IN_REQUEST, "No coin_name in request")
        items = self._chain.mempool_manager.mempool.get_items_by_coin_id(bytes32.from_hexstr(text))
        return {"mempool_items": [item.to_json_dict() for item in items]}

    async def get_fee_estimate(self, request: Request) -> Answer:
        """The fee for a cost to be included within each of several times, in seconds."""
        code, words = RpcErrorCodes.TARGET_TIMES_REQUIRED, "Request must contain 'target_times' array"
        times = sorted(_needed(request, "target_times", code, words))
        code, words = RpcErrorCodes.REQUEST_MUST_CONTAIN_EXACTLY_ONE, "Request must contain 'cost'"
        cost = uint64(_needed(request, "cost", code, words))
        mempool = self._chain.mempool_manager.mempool
        rates = [mempool.fee_estimator.estimate_fee_rate(time_offset_seconds=seconds) for seconds in times]
        estimates = make_monotonically_decreasing([rate.mojos_per_clvm_cost * cost for rate in rates])
        return {
            "estimates": [uint64(estimate) for estimate in estimates],
            "target_times": times,
            "current_fee_rate": mempool.fee_estimator.estimate_fee_rate(time_offset_seconds=1).mojos_per_clvm_cost,
            "mempool_size": mempool.total_mempool_cost(),
            "mempool_fees": mempool.total_mempool_fees(),
            "num_spends": mempool.size(),
            "mempool_max_size": mempool.fee_estimator.mempool_max_size(),
            "full_node_synced": True,
            "peak_height": self._chain.peak.height,
            "last_peak_timestamp": self._chain.peak.timestamp,
        }

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


def _needed(request: Request, key: str, code: RpcErrorCodes, words: str) -> Any:
    """A value of the request; fails in the node's own words if it is not there."""
    if key not in request:
        raise RpcError.simple(code, words)
    return request[key]


def _bytes(texts: Sequence[str]) -> list[bytes32]:
    """The bytes of several hexadecimal names; a name of another length is no error to a node, it finds nothing."""
    return [cast("bytes32", hexstr_to_bytes(text)) for text in texts]


def _range(request: Request) -> dict[str, Any]:
    """Which coins of those found are wanted: spent ones too, or only those created between two heights."""
    found: dict[str, Any] = {"include_spent_coins": request.get("include_spent_coins", False)}
    return found | {key: uint32(request[key]) for key in ("start_height", "end_height") if key in request}


def _shown(records: Sequence[CoinRecord]) -> list[dict[str, Any]]:
    """Coin records as a node shows them: with `spent` beside the height."""
    return [record.to_json_dict() | {"spent": record.spent_block_index > 0} for record in records]
