"""The three networks the programs know, and the addresses of each.

A signature and an address belong to one network. The rule guarded here: an address of another network is
refused by name, never paid to, and every program of one installation signs with the same network's data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from chia.consensus.constants import replace_str_to_bytes
from chia.consensus.default_constants import DEFAULT_CONSTANTS
from chia.util.bech32m import bech32_decode, convertbits, encode_puzzle_hash
from chia_rs import ConsensusConstants, get_flags_for_height_and_constants
from chia_rs.sized_bytes import bytes32

from chain.errors import AddressError, SettingsError
from puzzles.units import PuzzleHash


@dataclass(frozen=True, kw_only=True)
class Network:
    """A Chia network: its name, the prefix of its addresses, the challenge of its first block (32 bytes)."""

    name: str
    address_prefix: str
    genesis_challenge: bytes
    fork_heights: tuple[tuple[str, int], ...] = ()
    """Where its forks lie, if not where mainnet's do; a simulator's short chain has today's rules at once."""

    @cached_property
    def constants(self) -> ConsensusConstants:
        """Chia's consensus constants with this network's own values, the data of signatures among them."""
        challenge = self.genesis_challenge.hex()
        overrides: dict[str, str] = {
            "GENESIS_CHALLENGE": challenge,
            "AGG_SIG_ME_ADDITIONAL_DATA": challenge,
        }
        return replace_str_to_bytes(DEFAULT_CONSTANTS, **overrides, **dict(self.fork_heights))

    @property
    def agg_sig_me_data(self) -> bytes:
        """What AGG_SIG_ME adds to every signed message on this network (32 bytes)."""
        return bytes(self.constants.AGG_SIG_ME_ADDITIONAL_DATA)

    def flags_at(self, height: int) -> int:
        """What consensus runs the spends of a block of that height with."""
        return get_flags_for_height_and_constants(height, self.constants)

    def encode_address(self, puzzle_hash: PuzzleHash) -> str:
        """The address of a puzzle hash on this network, such as xch1..."""
        return encode_puzzle_hash(bytes32(puzzle_hash), self.address_prefix)

    def decode_address(self, address: str) -> PuzzleHash:
        """The puzzle hash of an address; raises AddressError unless it is one of this network."""
        text = address.strip()
        prefix, data = bech32_decode(text)
        if prefix is None or data is None:
            raise AddressError(
                f"{_shown(text)} is not a Chia address: expected one such as {self.address_prefix}1..., whole"
            )
        if prefix != self.address_prefix:
            raise AddressError(
                f"{_shown(text)} is an address of another network: expected one that begins with "
                f"{self.address_prefix}1, for {self.name}"
            )
        try:
            puzzle_hash = bytes(convertbits(data, 5, 8, False))
        except ValueError:
            puzzle_hash = b""
        if len(puzzle_hash) != 32:
            raise AddressError(f"{_shown(text)} is not a Chia address: expected a puzzle hash of 32 bytes in it")
        return PuzzleHash(puzzle_hash)


def _shown(text: str) -> str:
    """The text in quotes, shortened to what fits in a sentence."""
    return repr(text if len(text) <= 80 else text[:77] + "...")


MAINNET = Network(
    name="mainnet",
    address_prefix="xch",
    genesis_challenge=bytes.fromhex("ccd5bb71183532bff220ba46c268991a3ff07eb358e8255a65c30a2dce0e5fbb"),
)
TESTNET11 = Network(
    name="testnet11",
    address_prefix="txch",
    genesis_challenge=bytes.fromhex("37a90eb5185a9c4439a91ddc98bbadce7b4feba060d50116a067de66bf236615"),
    fork_heights=(("HARD_FORK_HEIGHT", 0), ("SOFT_FORK8_HEIGHT", 3_755_000), ("SOFT_FORK9_HEIGHT", 3_924_000)),
)
SIMULATOR0 = Network(
    name="simulator0",
    address_prefix="txch",
    genesis_challenge=bytes.fromhex("eb8c4d20b322be8d9fddbf9412016bdffe9a2901d7edb0e364e94266d0e095f7"),
    fork_heights=(("HARD_FORK_HEIGHT", 0), ("SOFT_FORK8_HEIGHT", 0), ("SOFT_FORK9_HEIGHT", 0)),
)
NETWORKS = {network.name: network for network in (MAINNET, TESTNET11, SIMULATOR0)}


def network_named(name: str) -> Network:
    """The network of that name; raises SettingsError if we know none."""
    try:
        return NETWORKS[name]
    except KeyError:
        raise SettingsError(f"the network {name!r} is unknown: expected one of {', '.join(NETWORKS)}") from None
