"""From pixels to text: the models, their contracts, and the geometry between them."""
