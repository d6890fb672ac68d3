"""Errors of `explorer`: each text is one sentence fit for a user.

ExplorerError
|-- NotARegistry       an id that is not that of a genuine registry on this chain
|-- NotFollowed        a registry that this explorer does not follow
|-- NotIndexed         a token, retirement or other thing that the index does not hold
|-- NoCertificate      a retirement that no certificate can tell of
|-- WrongIndex         an index made from another network
|-- BooksDoNotClose    a registry whose issued units are not live, retired and detokenized ones together
|-- IndexBehind        the index is not (or no longer) at a block of the node's chain
`-- RegisterDiffers    the register cannot take in what the chain shows
"""

from __future__ import annotations

from puzzles.units import LauncherId


class ExplorerError(Exception):
    """Any error of this package; its text is one sentence fit for a user."""


class NotARegistry(ExplorerError):
    """An id that is not that of a genuine registry on this chain."""


class NotFollowed(ExplorerError):
    """A registry that this explorer does not follow."""


class NotIndexed(ExplorerError):
    """A token, retirement or other thing that the index does not hold."""


class NoCertificate(ExplorerError):
    """A retirement that no certificate can tell of: what it would have to show is outside the canonical form."""


class WrongIndex(ExplorerError):
    """An index made from another network than the node's."""


class BooksDoNotClose(ExplorerError):
    """A registry whose figures cannot be trusted: its spends do not read, or its books do not close."""

    def __init__(self, registry_id: LauncherId, reason: str) -> None:
        """Name the registry and the first thing found wrong."""
        self.registry_id = registry_id
        super().__init__(
            f"the figures of registry 0x{registry_id.hex()} cannot be trusted: {reason}; report it, and rebuild "
            "the index with another node"
        )


class IndexBehind(ExplorerError):
    """The index is not at a block of the node's chain: it was never synced, or the chain went another way."""


class RegisterDiffers(ExplorerError):
    """The register cannot take in what the chain shows, for a reason a person must look at."""
