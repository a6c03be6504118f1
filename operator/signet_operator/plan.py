"""From what was asked and what is there to what is done now: pure, derived anew each look."""
