"""Boot tests of the SD image."""
