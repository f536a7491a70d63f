"""The reference receiver of our JSON batch: for tests, for trying out, and for who writes another one."""
