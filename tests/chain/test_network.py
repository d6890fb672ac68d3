"""Networks and addresses: the constants are chia's own, and no address crosses from one network to another."""

from __future__ import annotations

import pytest
import yaml
from chia.cmds import sim_funcs
from chia.util.config import initial_config_file

from chain.errors import AddressError, SettingsError
from chain.network import MAINNET, NETWORKS, SIMULATOR0, TESTNET11, Network, network_named
from puzzles.units import PuzzleHash

SOMEBODY = PuzzleHash(bytes(range(32)))


@pytest.mark.parametrize("network", [MAINNET, TESTNET11])
def test_network_has_the_values_of_chias_own_configuration(network: Network) -> None:
    chias = yaml.safe_load(initial_config_file("config.yaml"))["network_overrides"]
    constants = chias["constants"][network.name]

    assert network.genesis_challenge.hex() == constants["GENESIS_CHALLENGE"]
    assert network.address_prefix == chias["config"][network.name]["address_prefix"]
    assert network.agg_sig_me_data == network.genesis_challenge
    assert int(network.constants.HARD_FORK_HEIGHT) == constants.get("HARD_FORK_HEIGHT", 5_496_000)


def test_simulator_has_the_challenge_of_chias_own_simulator() -> None:
    constants = sim_funcs.create_chia_directory.__code__.co_consts
    assert SIMULATOR0.genesis_challenge.hex() in constants


@pytest.mark.parametrize("network", NETWORKS.values())
def test_address_reads_back_as_its_puzzle_hash(network: Network) -> None:
    assert network.decode_address(f" {network.encode_address(SOMEBODY)}\n") == SOMEBODY


def test_address_of_another_network_is_refused() -> None:
    with pytest.raises(AddressError, match="begins with txch1, for simulator0"):
        SIMULATOR0.decode_address(MAINNET.encode_address(SOMEBODY))


@pytest.mark.parametrize("damage", [lambda a: a[:-1], lambda a: a[:10] + "q" + a[11:] + "q", lambda a: "", str.title])
def test_damaged_address_is_refused(damage: object) -> None:
    assert callable(damage)
    with pytest.raises(AddressError, match="is not a Chia address"):
        MAINNET.decode_address(damage(MAINNET.encode_address(SOMEBODY)))


def test_unknown_network_is_refused() -> None:
    with pytest.raises(SettingsError, match="expected one of mainnet, testnet11, simulator0"):
        network_named("mainet")
