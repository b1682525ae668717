"""The rule language: expressions, durations and hours as people write them."""
