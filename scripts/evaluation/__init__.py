"""How well the node reads: labelled pictures, clips and the simulated road in, one report out.

Nothing here runs on a node, trains anything or changes a model.
"""
