"""The one door to a Chia full node, and what every program shares: settings, store, HTTP and command line."""
