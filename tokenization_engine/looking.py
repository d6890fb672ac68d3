"""How a daemon's part looks again and again: at its pace while all goes well, with growing pauses while it does not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from chain.errors import ChainError
from chain.pulse import Pulse
from tokenization_engine.errors import EngineError

MAX_PAUSE_SECONDS = 300.0

log = logging.getLogger(__name__)


async def keep_looking(look: Callable[[], Awaitable[None]], pulse: Pulse, *, usual: float, doing: str) -> None:
    """Look until cancelled, `usual` seconds apart; what goes wrong is logged once, and kept in the pulse.

    `doing` is what a look does, for the log: `settling the journal`.
    """
    longest = max(MAX_PAUSE_SECONDS, usual)
    pause = usual
    while True:
        try:
            await look()
            pause = usual
        except (ChainError, EngineError) as error:
            if pulse.problem != str(error):
                log.warning("%s", error)
            pulse.stumbled(error, str(error))
            pause = min(2 * pause, longest)
        except Exception as error:  # the outermost loop of this part: log it, and go on looking
            log.exception("unexpected failure while %s", doing)
            pulse.stumbled(error, f"a fault of the program ({type(error).__name__}): see its log")
            pause = longest
        await asyncio.sleep(pause)
