"""Gives a new node its owner: name, site, network, first person, keys. Once; then nobody else can claim it."""
