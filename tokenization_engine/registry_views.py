"""What the command line shows of the registry; the same values go out as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from climate_wallet.addresses import Address
from puzzles.owners import read_allotment
from puzzles.standard import standard_puzzle
from tokenization_engine.owners import governor_json, read_key
from tokenization_engine.registry import KnownOwners, RegistryState


def registry_view(state: RegistryState, known: KnownOwners | None, addresses: Sequence[Address] = ()) -> dict[str, Any]:
    """The registry as the chain shows it, its owners as far as they are known, and the issuer's key if it is one
    of these addresses'.
    """
    return {
        "registry_id": state.registry_id,
        "name": state.name,
        "is_ended": state.newest is None,
        "newest_coin_id": None if state.newest is None else bytes(state.newest.name()),
        "inner_puzzle_hash": state.inner_puzzle_hash,
        "spends": len(state.spends),
        "blocks_issued": len(state.issued),
        "units_issued": sum(each.issuance.amount for each in state.issued.values()) // 1000,
        "free_runs": state.free.leaf_count,
        "issuer": None if known is None else issuer_view(known, addresses),
        "governor": None if known is None else governor_json(known.governor),
        "owners_hash": state.owners_hash,
    }


def issuer_view(known: KnownOwners, addresses: Sequence[Address]) -> dict[str, Any]:
    """The issuer's key if it is that of one of these addresses, and its allotment (None: everything)."""
    read = read_allotment(known.owners.issuer_puzzle)
    puzzle = known.owners.issuer_puzzle if read is None else read[0]
    ours = next((each for each in addresses if standard_puzzle(read_key(each.public_key)) == puzzle), None)
    ranges = (
        None
        if read is None
        else [
            {"series": series.decode("ascii", errors="replace"), "first": first, "last": end - 1}
            for series, first, end in read[1]
        ]
    )
    return {
        "puzzle_hash": bytes(puzzle.get_tree_hash()),
        "public_key": None if ours is None else ours.public_key,
        "is_ours": ours is not None,
        "allotment": ranges,
    }
