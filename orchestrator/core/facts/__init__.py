"""What rules can read of the pair."""
