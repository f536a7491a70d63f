"""Gives a new node its owner: name, site, network, first person, keys. Once; a claimed node is claimed by nobody else."""
