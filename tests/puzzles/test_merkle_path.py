"""Paths in a Merkle set are those of consensus' own sets, and each has one form."""

from __future__ import annotations

import pytest
from chia_rs import MerkleSet, compute_merkle_set_root, confirm_included_already_hashed
from chia_rs.sized_bytes import bytes32
from hypothesis import given, settings
from hypothesis import strategies as st

from puzzles.errors import CertificateError
from puzzles.merkle_path import EMPTY, INNER, MEMBER, Path, Sibling, path_to, read_path, root_of, write_path

members = st.binary(min_size=32, max_size=32)
close_members = st.builds(
    lambda base, bit: (base ^ 1 << bit).to_bytes(32, "big"),
    st.sampled_from([0, 2**255, 2**200 - 1]),
    st.integers(0, 255),
)
sets = st.lists(members | close_members, min_size=1, max_size=40)


def true_root(leaves: list[bytes]) -> bytes:
    return bytes(compute_merkle_set_root([bytes32(leaf) for leaf in leaves]))


@settings(max_examples=300, deadline=None)
@given(leaves=sets)
def test_every_member_of_a_set_has_a_path_to_the_root_that_consensus_computes(leaves: list[bytes]) -> None:
    theirs = MerkleSet([bytes32(leaf) for leaf in leaves])
    for leaf in leaves:
        path = path_to(leaf, leaves)
        assert path is not None
        assert root_of(leaf, path) == true_root(leaves) == bytes(theirs.get_root())
        assert read_path(write_path(path)) == path
        is_in, proof = theirs.is_included_already_hashed(bytes32(leaf))
        assert is_in
        assert confirm_included_already_hashed(bytes32(root_of(leaf, path)), bytes32(leaf), proof)


@settings(max_examples=200, deadline=None)
@given(leaves=sets, other=members | close_members)
def test_what_is_no_member_has_no_path_and_borrows_none(leaves: list[bytes], other: bytes) -> None:
    if other in leaves:
        return
    assert path_to(other, leaves) is None
    for leaf in leaves:
        path = path_to(leaf, leaves)
        assert path is not None
        assert root_of(other, path) != true_root(leaves)


@settings(max_examples=200, deadline=None)
@given(leaves=sets, place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_changed_path_is_refused_or_leads_elsewhere(leaves: list[bytes], place: int, bit: int) -> None:
    leaf = leaves[0]
    path = path_to(leaf, leaves)
    assert path is not None
    data = bytearray(write_path(path))
    if not data:
        return
    data[place % len(data)] ^= 1 << bit
    try:
        changed = read_path(bytes(data))
    except CertificateError:
        return
    assert root_of(leaf, changed) != true_root(leaves)


ONE = Sibling(kind=MEMBER, hash=b"\1" * 32)
NONE = Sibling(kind=EMPTY, hash=bytes(32))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\3" + bytes(32), "unknown kind 3"),
        (b"\xff", "unknown kind 255"),
        (b"\1" + bytes(31), "ends within step 1"),
        (write_path((ONE,)) + b"\2", "ends within step 2"),
        (write_path((ONE, NONE)), "empty last step"),
        (write_path((NONE,) * 256 + (ONE,)), "has 257 steps"),
    ],
)
def test_path_in_another_form_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(CertificateError, match=why):
        read_path(data)


def test_node_over_members_is_no_member() -> None:
    leaves = [bytes([number]) * 32 for number in (1, 2, 0x81, 0x82)]
    path = path_to(leaves[0], leaves)
    assert path is not None
    shorter: Path = path[:-1]
    (sibling,) = shorter
    assert sibling.kind == INNER
    pair = root_of(leaves[0], path[-1:])
    assert root_of(pair, shorter) != true_root(leaves)
