"""The technician's console: a plain-text session on a serial port or a terminal, in a process of its own."""
