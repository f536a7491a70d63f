"""What the node does at the roadside about a hit."""
