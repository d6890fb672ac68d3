"""Which registries are followed: ids that a person chose, each checked to be a genuine registry on this chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Engine, delete, select

from chain.database import reading, writing
from explorer.errors import NotARegistry, NotFollowed
from explorer.shown import show_bytes
from explorer.store import RegistryRow, SeenTokenRow, take_lock
from puzzles.errors import PuzzleError
from puzzles.registry_ledger import read_launch
from puzzles.units import CoinId, LauncherId

if TYPE_CHECKING:
    from chain.node import Node

LABEL_LENGTH = 100


async def follow_registry(node: Node, engine: Engine, registry_id: LauncherId, label: str | None = None) -> str:
    """Follow a registry from the next round on; its name at launch, as the JSON of `show_bytes`.

    Following it again changes its label only. Raises NotARegistry unless the id is that of a genuine registry.
    """
    name = await launch_name(node, registry_id)
    with writing(engine) as session:
        take_lock(session)
        row = session.get(RegistryRow, registry_id)
        if row is None:
            session.add(RegistryRow(registry_id=registry_id, label=label and label[:LABEL_LENGTH], is_new=True))
        elif label is not None:
            row.label = label[:LABEL_LENGTH]
    return name


def unfollow_registry(engine: Engine, registry_id: LauncherId) -> None:
    """Stop following a registry and forget what was read of it; raises NotFollowed."""
    with writing(engine) as session:
        state = take_lock(session)
        row = session.get(RegistryRow, registry_id)
        if row is None:
            raise NotFollowed(f"the registry 0x{registry_id.hex()} is not followed: nothing to forget")
        state.generation += 1
        session.execute(delete(SeenTokenRow).where(SeenTokenRow.registry_id == registry_id))
        session.delete(row)


async def launch_name(node: Node, registry_id: LauncherId) -> str:
    """The registry's name at launch, as the JSON of `show_bytes`; raises NotARegistry."""
    not_one = f"0x{registry_id.hex()} is not the id of a registry"
    launcher = (await node.coins([CoinId(registry_id)])).get(CoinId(registry_id))
    if launcher is None:
        raise NotARegistry(f"{not_one}: the node knows no such coin; check the id and the network")
    if launcher.spent_height is None:
        raise NotARegistry(f"{not_one}: the coin was never launched")
    spend = await node.spend(launcher.coin_id, launcher.spent_height)
    try:
        launch = read_launch(spend)
    except (PuzzleError, ValueError, TypeError) as error:
        raise NotARegistry(f"{not_one}: its launch does not read") from error
    if launch is None:
        raise NotARegistry(f"{not_one}: the coin launched something else")
    return show_bytes(launch.name)


def only_registry(index: Engine) -> LauncherId:
    """The one registry that is followed; raises NotFollowed if there are none or several."""
    with reading(index) as session:
        found = session.scalars(select(RegistryRow.registry_id)).all()
    if len(found) != 1:
        raise NotFollowed(
            f"this explorer follows {len(found)} registries: say whose register it is (--registry), since a register "
            "must never take in the events of a stranger's registry"
        )
    return LauncherId(found[0])
