"""The push service: takes hints from the events and wakes devices that are away."""
