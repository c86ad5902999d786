"""A module per version."""
