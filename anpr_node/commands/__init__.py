"""The commands, one module a topic; each adds its own to the group. They parse and print, nothing more."""
