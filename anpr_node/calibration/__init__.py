"""What the technician's console measures: plates in single frames, the way they move, and what that means for the site."""
