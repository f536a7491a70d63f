"""The record on the card: reads with their evidence, lists, hits, and what waits to be sent."""
