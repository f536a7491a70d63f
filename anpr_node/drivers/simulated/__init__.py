"""The simulated roadside: a road, its vehicles and a camera that obey the same circuit as the real ones."""
