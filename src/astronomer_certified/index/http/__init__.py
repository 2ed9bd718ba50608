"""The index on a port."""
