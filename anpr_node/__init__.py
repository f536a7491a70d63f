"""anpr-node: reads the number plate of every passing vehicle, at the roadside, on a Raspberry Pi."""

__version__ = "0.1.0"
