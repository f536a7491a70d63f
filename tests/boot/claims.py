"""The claim that the boot tests use; the file that docs/install.md shows. No test."""

from __future__ import annotations

import os

NAME, PASSWORD = "jan", "correct horse battery"
FIRST_READ_S = float(os.environ.get("ANPR_FIRST_READ_S", "180"))
"""Patience, not the figure: how long a loaded machine may take. The figure is recorded."""
CLAIM = f"""
[node]
id = "e40-km12"
site = "E40, km 12, left lane"

[user]
name = "{NAME}"
password = "{PASSWORD}"
ssh_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGsHqX1jXz5S2u6c3ZqfU1iQ4M4mKcH3cXcZQy2mJ9wq jan"]

[network]
ssh = true

[settings.camera]
kind = "simulated"
fps = 3.0

[settings.store]
free_mb_min = 50
"""
