"""What scripts/bench is made of: one subject a file."""
