"""What runs inside the child processes of a real node: chia-blockchain's own services, without its daemon.

Started by `processes.py` with CHIA_ROOT and CHIA_KEYS_ROOT set, which chia reads once, when it is imported:
`child.py init OPTIONS`, `node`, `wallet`, where OPTIONS is JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chia.cmds.sim_funcs import create_chia_directory
from chia.consensus.constants import replace_str_to_bytes
from chia.consensus.default_constants import DEFAULT_CONSTANTS
from chia.server.signal_handlers import SignalHandlers
from chia.simulator.add_blocks_in_batches import add_blocks_in_batches
from chia.simulator.block_tools import BlockTools, test_constants
from chia.simulator.full_node_simulator import FullNodeSimulator
from chia.simulator.simulator_protocol import ReorgProtocol
from chia.simulator.start_simulator import PLOT_SIZE, PLOTS, create_full_node_simulator_service
from chia.util.bech32m import decode_puzzle_hash
from chia.util.chia_logging import initialize_logging
from chia.util.config import load_config, override_config, save_config
from chia.util.errors import KeychainFingerprintExists
from chia.util.keychain import Keychain
from chia.wallet.start_wallet import create_wallet_service
from chia_rs.sized_bytes import bytes32

ROOT = Path(os.environ["CHIA_ROOT"])
CONFIG = "config.yaml"
CLOCK = {"simulator.use_current_time": True}
NO_STRANGERS: dict[str, Any] = {"introducer_peer": None, "dns_servers": [], "enable_upnp": False}
"""No look-up outside this machine."""


def init_root(options: dict[str, Any]) -> None:
    """Keys, certificates and a configuration whose ports and peers are ours."""
    fingerprints = [_add_key(mnemonic) for mnemonic in options["mnemonics"]]
    create_chia_directory(ROOT, fingerprints[0], options["farming_address"], "plots", False, docker_mode=False)
    config = load_config(ROOT, CONFIG)
    config["self_hostname"] = "127.0.0.1"
    config["daemon_port"] = options["daemon_port"]  # nobody listens there
    config["logging"]["log_level"] = "INFO"
    config["full_node"].update(
        NO_STRANGERS,
        port=options["node_port"],
        rpc_port=options["node_rpc_port"],
        target_peer_count=0,
        target_outbound_peer_count=0,
        use_chia_loop_policy=False,
    )
    config["wallet"].update(
        NO_STRANGERS,
        rpc_port=options["wallet_rpc_port"],
        full_node_peers=[{"host": "127.0.0.1", "port": options["node_port"]}],
        connect_to_unknown_peers=False,
        target_peer_count=1,
        initial_num_public_keys=50,
        automatically_add_unknown_cats=options["adds_unknown_cats"],
    )
    config["constants_of_the_test"] = options["constants"]
    save_config(ROOT, CONFIG, config)
    print(json.dumps(fingerprints))


def _add_key(mnemonic: str) -> int:
    """The fingerprint of the key, which is in the keychain afterwards."""
    try:
        return int(Keychain().add_key(mnemonic, None).get_g1().get_fingerprint())
    except KeychainFingerprintExists as error:
        return int(error.fingerprint)


def _of_all(config: dict[str, Any]) -> dict[str, Any]:
    """What every service's section is given of the top: plain values, and the network's own constants."""
    return {key: value for key, value in config.items() if not isinstance(value, dict) or key == "network_overrides"}


async def _reorg(simulator: FullNodeSimulator, request: ReorgProtocol) -> None:
    """Chia's own reorg, but for blocks of any kind: its own searches a hundred sub-slots for each overflow block."""
    blocks = (await simulator.get_all_full_blocks())[: request.old_index + 1]
    branch = simulator.bt.get_consecutive_blocks(
        request.new_index - request.old_index,
        farmer_reward_puzzle_hash=request.puzzle_hash,
        pool_reward_puzzle_hash=request.puzzle_hash,
        block_list_input=blocks,
        guarantee_transaction_block=True,
        seed=request.seed or bytes32.secret(),
    )
    await add_blocks_in_batches(branch[request.old_index + 1 :], simulator.full_node)


async def run_node() -> None:
    """The simulator's full node, until SIGTERM."""
    config = load_config(ROOT, CONFIG)
    config["full_node"] |= _of_all(config)
    constants = replace_str_to_bytes(test_constants, **config["constants_of_the_test"])
    tools = BlockTools(
        constants,
        ROOT,
        keychain=Keychain(),
        config_overrides=dict(CLOCK),
        automated_testing=False,
        plot_dir=config["simulator"]["plot_directory"],
    )
    await tools.setup_keys(
        fingerprint=int(config["simulator"]["key_fingerprint"]),
        reward_ph=decode_puzzle_hash(config["simulator"]["farming_address"]),
    )
    await tools.setup_plots(
        num_og_plots=PLOTS, num_pool_plots=0, num_non_keychain_plots=0, num_v2_plots=0, plot_size=PLOT_SIZE
    )
    FullNodeSimulator.reorg_from_index_to_new_index = _reorg  # type: ignore[assignment, method-assign]
    initialize_logging("full_node", config["full_node"]["logging"], ROOT)
    service = await create_full_node_simulator_service(
        ROOT, override_config(config, dict(CLOCK)), tools, connect_to_daemon=False
    )
    async with SignalHandlers.manage() as handlers:
        await service.setup_process_global_state(signal_handlers=handlers)
        await service.run()


async def run_wallet() -> None:
    """The official wallet, until SIGTERM."""
    config = load_config(ROOT, CONFIG)
    config["wallet"] |= _of_all(config)
    initialize_logging("wallet", config["wallet"]["logging"], ROOT)
    service = create_wallet_service(ROOT, config, DEFAULT_CONSTANTS, keychain=Keychain(), connect_to_daemon=False)
    async with SignalHandlers.manage() as handlers:
        await service.setup_process_global_state(signal_handlers=handlers)
        await service.run()


def main(arguments: Sequence[str]) -> None:
    """Do what the parent asked for."""
    match arguments:
        case ["init", options]:
            init_root(json.loads(options))
        case ["node"]:
            asyncio.run(run_node())
        case ["wallet"]:
            asyncio.run(run_wallet())
        case _:
            raise SystemExit(f"expected init OPTIONS, node or wallet, but {arguments} came")


if __name__ == "__main__":
    main(sys.argv[1:])
