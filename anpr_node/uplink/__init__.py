"""Sends what waits in the outbox to the sinks of node.toml, over a link that comes and goes."""
