"""One vehicle, one passage: which boxes belong together, what their readings say, when that is sure."""
