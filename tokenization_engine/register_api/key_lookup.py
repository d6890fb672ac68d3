"""Whose key a caller shows: the one question that every request asks the database.

It is asked in the event loop: to hand it to a thread costs several times what answering it does. A file is read right
there, and who reads one waits for nobody. A server is asked over a connection of the loop's own, once for all who
showed a key before its question went out; and while there is no connection, since the server was away for instance, by
a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

from sqlalchemy import Connection, Engine

from chain.connections import BUSY_TIMEOUT_SECONDS, file_of
from chain.database import errors_in_words
from tokenization_engine.api_keys import KEY_OF_ID, ApiKey, find_key, id_of_key, key_in


class KeyLookup:
    """Finds keys in the register's database, for one event loop."""

    def __init__(self, engine: Engine, threads: Executor) -> None:
        """Ask that database; nothing is opened before the first key is shown."""
        self._engine = engine
        self._threads = threads
        self._beside: Connection | None = None
        """To a file."""
        self._connection: Any = None
        """To a server, of the driver's kind for event loops."""
        self._connecting: asyncio.Task[None] | None = None
        self._line = asyncio.Lock()
        self._waiting: dict[str, list[asyncio.Future[Sequence[Any] | None]]] = {}
        """By the key's id, those for whom its question has not gone out yet."""
        self._asking: set[asyncio.Task[None]] = set()

    async def find(self, shown: str) -> ApiKey | None:
        """The key; None if it is none of ours, or revoked. Raises StoreUnreadable and StoreBusy."""
        key_id = id_of_key(shown)
        if key_id is None:
            return None
        if file_of(self._engine.url) is not None:
            with errors_in_words(self._engine.url):
                if self._beside is None:
                    self._beside = self._engine.connect()
                return find_key(self._beside, shown)
        rows = await self._rows(key_id)
        if rows is not None:
            return key_in(rows, shown)
        self._connect()
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._find_in_thread, shown)

    async def close(self) -> None:
        """Let go of the database."""
        ending = {*self._asking, *([] if self._connecting is None else [self._connecting])}
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)
        if self._connection is not None:
            await self._connection.close()
        if self._beside is not None:
            self._beside.close()

    async def _rows(self, key_id: str) -> Sequence[Any] | None:
        """The rows of the key over the loop's own connection; None if there is none that answers."""
        if self._connection is None:
            return None
        rows: asyncio.Future[Sequence[Any] | None] = asyncio.get_running_loop().create_future()
        if key_id in self._waiting:
            self._waiting[key_id].append(rows)
        else:
            self._waiting[key_id] = [rows]
            asking = asyncio.create_task(self._ask(key_id))
            self._asking.add(asking)
            asking.add_done_callback(self._asking.discard)
        return await rows

    async def _ask(self, key_id: str) -> None:
        """Ask for the key once, and tell everybody who waits for it."""
        async with self._line:
            waiting, rows = self._waiting.pop(key_id), None
            try:
                rows = await self._asked(key_id)
            finally:
                for one in waiting:
                    if not one.done():
                        one.set_result(rows)

    async def _asked(self, key_id: str) -> Sequence[Any] | None:
        connection = self._connection
        if connection is None:
            return None
        try:
            cursor = await connection.cursor(binary=True).execute(KEY_OF_ID.text(self._engine.dialect), {"id": key_id})
            rows: Sequence[Any] = await cursor.fetchall()
        except self._engine.dialect.loaded_dbapi.Error:  # the thread that asks then says what is wrong
            if self._connection is connection:
                self._connection = None
                await connection.close()
            return None
        return rows

    def _connect(self) -> None:
        """Open the loop's own connection, while nobody waits for it."""
        if self._connection is None and (self._connecting is None or self._connecting.done()):
            self._connecting = asyncio.create_task(self._open())

    async def _open(self) -> None:
        driver: Any = self._engine.dialect.loaded_dbapi
        arguments, options = self._engine.dialect.create_connect_args(self._engine.url)
        try:
            connection = await driver.AsyncConnection.connect(*arguments, **options, autocommit=True)
            await connection.execute(f"SET lock_timeout = '{BUSY_TIMEOUT_SECONDS}s'")
            self._connection = connection
        except driver.Error:  # the thread says what is wrong, and the next who shows a key tries again
            return

    def _find_in_thread(self, shown: str) -> ApiKey | None:
        """The same in one question without a transaction around it."""
        engine = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        with errors_in_words(engine.url), engine.connect() as connection:
            return find_key(connection, shown)
