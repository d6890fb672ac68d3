"""The tree of serials that are still free: where a block can be taken from, and the proof of it for the ledger.

Every leaf is one run of free serials, hashed as a single atom of 80 bytes, start then end, half-open. Taking a block
leaves zero, one or two rests. The right rest (or the only one) stays in the leaf's place, and the left of two beside
it; where that would make the tree deeper than log2(leaves) + 2 it is planted beside the shallowest leaf instead, so
that no order of issuing makes a list of the tree.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass
from hashlib import sha256

from chia.types.blockchain_format.program import Program

from puzzles.errors import MalformedSpend, SerialsTaken
from puzzles.units import UnitBlock, serial_key

KEY_BYTES = 40
LOWEST = b"\x00" * KEY_BYTES
HIGHEST = b"\xff" * KEY_BYTES
MAX_PATH_BYTES = 5
"""The ledger plants only beside a leaf whose path fits in so many bytes, sentinel and sign included."""


def leaf_hash(start: bytes, end: bytes) -> bytes:
    """Hash of the leaf [start, end): sha256(1, start, end)."""
    return sha256(b"\x01" + start + end).digest()


ROOT_AT_BIRTH = leaf_hash(LOWEST, HIGHEST)
"""Everything is free: one leaf."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the left rest goes: beside this leaf, proven in the tree that the block has already left."""

    path: int
    siblings: tuple[bytes, ...]
    leaf: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """What the ledger must be shown to take a block: the free leaf that holds it, its proof, and, if the left of two
    rests is not to stay beside the right one, its place.

    `path` reads from the leaf up, lowest bit first, 1 for a node on the right; the highest bit is the sentinel.
    """

    before: bytes
    after: bytes
    path: int
    siblings: tuple[bytes, ...]
    place: Place | None


class _Node:
    """A node of the tree; `near` is the distance to the nearest leaf below."""

    __slots__ = ("end", "hash", "left", "near", "parent", "right", "start")

    def __init__(self, start: bytes = b"", end: bytes = b"") -> None:
        self.start, self.end = start, end
        self.left: _Node | None = None
        self.right: _Node | None = None
        self.parent: _Node | None = None
        self.near = 0
        self.hash = leaf_hash(start, end) if end else b""


class FreeSerials:
    """The free serials of one registry, with the same root as its ledger."""

    def __init__(self) -> None:
        """Everything free: the state of a registry at birth."""
        self._root: _Node | None = _Node(LOWEST, HIGHEST)
        self._starts: list[bytes] = [LOWEST]
        self._leaves: dict[bytes, _Node] = {LOWEST: self._root}

    @property
    def root(self) -> bytes:
        """Root of the tree as the ledger holds it: 32 bytes, or none when nothing is free."""
        return self._root.hash if self._root is not None else b""

    @property
    def leaf_count(self) -> int:
        """Number of free runs."""
        return len(self._starts)

    def runs(self) -> list[tuple[bytes, bytes]]:
        """The free runs [start, end) in order of serials, as chain keys."""
        return [(start, self._leaves[start].end) for start in self._starts]

    def depth(self) -> int:
        """Length of the longest path; walks the whole tree."""
        return max((len(self._proof(leaf)[1]) for leaf in self._leaves.values()), default=0)

    def copy(self) -> FreeSerials:
        """The same tree again, to plan on."""
        other = FreeSerials()
        other._starts = list(self._starts)
        other._leaves = {}
        other._root = other._copy_node(self._root) if self._root is not None else None
        return other

    def _copy_node(self, node: _Node) -> _Node:
        """A copy of that node and all below; as deep as the tree, which is at most 40."""
        twin = _Node(node.start, node.end)
        twin.hash, twin.near = node.hash, node.near
        if node.left is None or node.right is None:
            self._leaves[twin.start] = twin
            return twin
        twin.left, twin.right = self._copy_node(node.left), self._copy_node(node.right)
        twin.left.parent = twin.right.parent = twin
        return twin

    def is_free(self, block: UnitBlock) -> bool:
        """Whether every serial of the block is free."""
        return self._holding(*_keys(block)) is not None

    def take(self, block: UnitBlock) -> Taking:
        """Take the block out and return what the ledger must be shown; raises SerialsTaken and changes nothing."""
        start, end = _keys(block)
        leaf = self._holding(start, end)
        if leaf is None:
            raise SerialsTaken(
                f"the block {block} is not free: at least one of its serials has been tokenized in this registry"
            )
        before, after = leaf.start, leaf.end
        path, siblings = self._proof(leaf)
        has_two_rests = before != start and after != end
        self._shrink(leaf, start, end)
        place = None
        if has_two_rests:
            neighbour = leaf
            if len(siblings) > self.leaf_count.bit_length():
                neighbour = self._shallowest()
                neighbour_path, neighbour_siblings = self._proof(neighbour)
                content = neighbour.start + neighbour.end
                place = Place(path=neighbour_path, siblings=neighbour_siblings, leaf=content)
            self._plant(neighbour, before, start)
        return Taking(before=before, after=after, path=path, siblings=siblings, place=place)

    def replay(self, *, start: bytes, end: bytes, before: bytes, path: int, place: tuple[int, bytes] | None) -> None:
        """Follow an issue that the chain accepted: its block [start, end), its leaf's start and path, and the place
        (path, leaf) of a second rest if it has one. Raises MalformedSpend if this is not the chain's tree."""
        leaf = self._leaves.get(before)
        if leaf is None or leaf.end < end or self._proof(leaf)[0] != path:
            raise MalformedSpend("an issue of the registry does not fit the free serials read so far")
        has_two_rests = before != start and leaf.end != end
        self._shrink(leaf, start, end)
        if has_two_rests:
            neighbour = leaf
            if place is not None:
                found = self._leaves.get(place[1][:KEY_BYTES])
                if found is None or self._proof(found)[0] != place[0]:
                    raise MalformedSpend("an issue of the registry plants a rest beside a leaf that is not there")
                neighbour = found
            self._plant(neighbour, before, start)

    def _holding(self, start: bytes, end: bytes) -> _Node | None:
        index = bisect_right(self._starts, start) - 1
        leaf = self._leaves[self._starts[index]] if index >= 0 else None
        return leaf if leaf is not None and end <= leaf.end else None

    def _proof(self, node: _Node) -> tuple[int, tuple[bytes, ...]]:
        path, level, siblings = 0, 0, []
        while node.parent is not None:
            parent = node.parent
            assert parent.left is not None
            assert parent.right is not None
            if node is parent.right:
                path |= 1 << level
                siblings.append(parent.left.hash)
            else:
                siblings.append(parent.right.hash)
            node, level = parent, level + 1
        return path | 1 << level, tuple(siblings)

    def _shrink(self, leaf: _Node, start: bytes, end: bytes) -> None:
        """Leave the right rest in the leaf's place, or the left one if it is the only one, or nothing."""
        before, after = leaf.start, leaf.end
        del self._leaves[before]
        self._starts.pop(bisect_right(self._starts, before) - 1)
        if after != end:
            self._set(leaf, end, after)
        elif before != start:
            self._set(leaf, before, start)
        else:
            self._remove(leaf)

    def _set(self, leaf: _Node, start: bytes, end: bytes) -> None:
        leaf.start, leaf.end, leaf.hash = start, end, leaf_hash(start, end)
        self._leaves[start] = leaf
        insort(self._starts, start)
        self._renew(leaf.parent)

    def _remove(self, leaf: _Node) -> None:
        parent = leaf.parent
        if parent is None:
            self._root = None
            return
        sibling = parent.right if leaf is parent.left else parent.left
        assert sibling is not None
        self._put_in_place_of(parent, sibling)
        self._renew(sibling.parent)

    def _plant(self, neighbour: _Node, start: bytes, end: bytes) -> None:
        """Put the leaf [start, end) beside another one, on its right."""
        branch, leaf = _Node(), _Node(start, end)
        self._put_in_place_of(neighbour, branch)
        branch.left, branch.right = neighbour, leaf
        neighbour.parent = leaf.parent = branch
        self._leaves[start] = leaf
        insort(self._starts, start)
        self._renew(branch)

    def _put_in_place_of(self, old: _Node, new: _Node) -> None:
        parent = old.parent
        new.parent = parent
        if parent is None:
            self._root = new
        elif parent.left is old:
            parent.left = new
        else:
            parent.right = new

    def _renew(self, node: _Node | None) -> None:
        while node is not None:
            assert node.left is not None
            assert node.right is not None
            node.hash = sha256(b"\x02" + node.left.hash + node.right.hash).digest()
            node.near = 1 + min(node.left.near, node.right.near)
            node = node.parent

    def _shallowest(self) -> _Node:
        node = self._root
        assert node is not None
        while node.left is not None:
            assert node.right is not None
            node = node.left if node.left.near <= node.right.near else node.right
        return node


def _keys(block: UnitBlock) -> tuple[bytes, bytes]:
    return serial_key(block.series, block.first), serial_key(block.series, block.last + 1)


def place_program(place: Place | None) -> Program:
    """The place as the ledger reads it: `(path siblings . leaf)`, or nil."""
    if place is None:
        return Program.to(0)
    return Program.to((place.path, (list(place.siblings), place.leaf)))
