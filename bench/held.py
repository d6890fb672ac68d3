"""A file held in memory while it is measured, as on a machine that lets its cache of files be."""

from __future__ import annotations

import ctypes
import ctypes.util
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held_in_memory(path: Path) -> Iterator[bool]:
    """Keep the file's pages in memory until the end; whether that was done (it takes Linux, and root or its leave).

    A guest's host may have it let go of what it caches of files, within minutes and with most of its memory free: a
    reader then waits for the disk, and the figure is the disk's.
    """
    library = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
    with path.open("rb+") as file, mmap.mmap(file.fileno(), 0) as mapped:
        first = ctypes.c_char.from_buffer(mapped)
        is_held = os.name == "posix" and library.mlock(ctypes.byref(first), ctypes.c_size_t(len(mapped))) == 0
        del first
        yield is_held
