"""Lists of watched vehicles: importing them, and asking whether a read is on one."""
