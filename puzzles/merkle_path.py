"""Chia's Merkle set: the root a block header keeps of its coins, and the path from one member up to it.

A set is a radix tree over the members' bits, highest bit first. A member (32 bytes) stands where its bits lead as soon
as it is alone there; a node over two members only rises to where the next sibling stands, any other node has an empty
sibling at each bit that all below it share. A node is `sha256(30 zero bytes ‖ kind of left ‖ kind of right ‖ left ‖
right)`: the kinds are hashed too, so an inner node never passes for a member.

Under one root a member has exactly one path: on which side it goes at each step is told by the member's own bits, and
nothing in a path can be added, left out or written in another way.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from puzzles.errors import CertificateError

EMPTY, MEMBER, INNER = 0, 1, 2
"""What stands beside the path at a step: nothing, one member, or a node over several; hashed as these bytes."""
MAX_STEPS = 256
"""No two members share more bits."""
_PREFIX = bytes(30)
_NOTHING = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sibling:
    """What stands beside the path at one step: its kind, and its hash (32 bytes, zeros for EMPTY)."""

    kind: int
    hash: bytes


Path = tuple[Sibling, ...]
"""The siblings from the root down to the member; empty if the member is the only one."""


def root_of(member: bytes, path: Path) -> bytes:
    """The root of the set in which this member has this path."""
    if not path:
        return sha256(bytes([MEMBER]) + member).digest()
    kind, found = MEMBER, member
    for depth in range(len(path) - 1, -1, -1):
        sibling = path[depth]
        is_left = member < sibling.hash if _is_pair(kind, sibling) else not _bit(member, depth)
        ours = Sibling(kind=kind, hash=found)
        found = _node(ours, sibling) if is_left else _node(sibling, ours)
        kind = INNER
    return found


def path_to(member: bytes, members: Iterable[bytes]) -> Path | None:
    """The path to a member of the set, or None if it is not in it."""
    ordered: Sequence[bytes] = sorted(set(members))
    if member not in ordered:
        return None
    siblings: list[Sibling] = []
    depth = 0
    while len(ordered) > 1:
        if len(ordered) == 2:
            (other,) = (each for each in ordered if each != member)
            siblings.append(Sibling(kind=MEMBER, hash=other))
            break
        zeros, ones = _halves(ordered, depth)
        ordered, beside = (ones, zeros) if _bit(member, depth) else (zeros, ones)
        siblings.append(_subtree(beside, depth + 1))
        depth += 1
    return tuple(siblings)


def write_path(path: Path) -> bytes:
    """The path's bytes: for each step the kind, and the hash unless it is EMPTY."""
    return b"".join(bytes([each.kind]) + (b"" if each.kind == EMPTY else each.hash) for each in path)


def read_path(data: bytes) -> Path:
    """The path of `write_path`; raises CertificateError for anything that it does not write."""
    siblings: list[Sibling] = []
    at = 0
    while at < len(data):
        kind, end = data[at], at + 1
        if kind in {MEMBER, INNER}:
            end += 32
        elif kind != EMPTY:
            raise CertificateError(f"step {len(siblings) + 1} of the removal path is of the unknown kind {kind}")
        if end > len(data):
            raise CertificateError(f"the removal path ends within step {len(siblings) + 1}")
        siblings.append(Sibling(kind=kind, hash=_NOTHING if kind == EMPTY else data[at + 1 : end]))
        at = end
    if len(siblings) > MAX_STEPS:
        raise CertificateError(f"the removal path has {len(siblings)} steps: expected at most {MAX_STEPS}")
    if siblings and siblings[-1].kind == EMPTY:
        raise CertificateError("the removal path has an empty last step, where no set has one")
    return tuple(siblings)


def _is_pair(kind: int, sibling: Sibling) -> bool:
    """Whether this is a node over two members only, which are in their order whatever their depth."""
    return kind == MEMBER and sibling.kind == MEMBER


def _subtree(members: Sequence[bytes], depth: int) -> Sibling:
    """The node over members (sorted, unlike each other) that share their first `depth` bits."""
    if not members:
        return Sibling(kind=EMPTY, hash=_NOTHING)
    if len(members) == 1:
        return Sibling(kind=MEMBER, hash=members[0])
    if len(members) == 2:
        left, right = (Sibling(kind=MEMBER, hash=each) for each in members)
    else:
        left, right = (_subtree(half, depth + 1) for half in _halves(members, depth))
    return Sibling(kind=INNER, hash=_node(left, right))


def _halves(members: Sequence[bytes], depth: int) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """The members (sorted, alike up to `depth`) whose bit there is 0, and those where it is 1."""
    middle = bisect_left(members, 1, key=lambda each: _bit(each, depth))
    return members[:middle], members[middle:]


def _bit(member: bytes, depth: int) -> int:
    return member[depth // 8] >> (7 - depth % 8) & 1


def _node(left: Sibling, right: Sibling) -> bytes:
    return sha256(_PREFIX + bytes([left.kind, right.kind]) + left.hash + right.hash).digest()
