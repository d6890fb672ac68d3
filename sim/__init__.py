"""A local Chia: chia's own mempool and coin store behind a full node's RPC, farmed when told to."""
