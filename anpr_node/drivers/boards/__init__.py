"""The boards that a node can run on, one file each; `node.board` in node.toml names one of them."""

from anpr_node.drivers.boards import jetson_orin, pc, raspberry_pi_4, raspberry_pi_5

BOARDS = {module.BOARD.name: module.BOARD for module in (pc, raspberry_pi_4, raspberry_pi_5, jetson_orin)}
