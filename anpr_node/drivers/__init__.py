"""Everything that touches hardware, and the simulations that obey the same circuit."""
