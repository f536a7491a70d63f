"""How fast the node is: the parts of scripts/bench. Nothing here runs on a node."""
