"""A series of patches, and what applies it exactly."""
