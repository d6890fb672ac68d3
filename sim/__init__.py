"""A local Chia: chia's own mempool and coin store behind the RPC of a full node, farmed when told to."""
