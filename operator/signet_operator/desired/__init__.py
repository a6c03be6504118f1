"""What should be there: one pure builder for each kind of object, from the spec alone."""
