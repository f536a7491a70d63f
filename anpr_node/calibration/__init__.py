"""What the technician's console measures: plates in single frames, how they move, and what that means for the site."""
