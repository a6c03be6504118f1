"""The core of durability.md on a store that is late and unsure: explored, and walked at random."""
