"""`python -m anpr_node` is `anpr-node`."""

from anpr_node.cli import main

main()
