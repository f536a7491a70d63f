"""The LTE modem's control port: AT commands over serial. The data link itself is the operating system's."""
