"""Everything in one process on the embedded defaults."""
