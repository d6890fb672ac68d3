"""Trees that strangers made: a few bytes on chain can unfold to millions of nodes, or to 2^60 shared ones.

Nothing here walks further than it is told to. chia's own `get_tree_hash` and `bytes` write the whole tree out first,
and fail on a large one.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, cast

from chia.types.blockchain_format.program import Program
from chia_rs import run_chia_program
from clvm.CLVMObject import CLVMStorage

if TYPE_CHECKING:
    from chia_rs.chia_rs import LazyNode

MAX_READ_NODES = 4096
"""A tree of more nodes (pairs and atoms) is not taken apart, nor hashed or written out unless the chain hashed it."""


def parsed(serialized: bytes) -> Program:
    """The tree of a serialized program; it must be one alone, as a `Program` of chia_rs always is."""
    return unfolded(run_chia_program(b"\x01", serialized, 50, 0)[1])


def unfolded(node: LazyNode) -> Program:
    """What chia_rs handed back, as a tree that is unfolded as far as it is looked at."""
    return Program(cast("CLVMStorage", node))


def has_at_most(tree: CLVMStorage, nodes: int) -> bool:
    """Whether the tree has at most so many nodes; a shared node counts each time. Looks at no more than those."""
    rest, seen = [tree], 0
    while rest:
        seen += 1
        if seen > nodes:
            return False
        pair = rest.pop().pair
        if pair is not None:
            rest.extend(pair)
    return True


def is_readable(tree: CLVMStorage) -> bool:
    """Whether the tree is small enough to be taken apart."""
    return has_at_most(tree, MAX_READ_NODES)


def tree_hash(tree: Program) -> bytes:
    """Tree hash of a tree that the chain has hashed too, so that its cost bounds it; 32 bytes, whatever its size."""
    if is_readable(tree):
        return bytes(tree.get_tree_hash())
    todo: list[CLVMStorage | None] = [tree]
    done: list[bytes] = []
    while todo:
        node = todo.pop()
        if node is None:
            right, left = done.pop(), done.pop()
            done.append(sha256(b"\x02" + left + right).digest())
        elif node.pair is not None:
            todo += [None, node.pair[1], node.pair[0]]
        else:
            done.append(sha256(b"\x01" + (node.atom or b"")).digest())
    return done[0]
