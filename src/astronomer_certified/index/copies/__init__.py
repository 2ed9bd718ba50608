"""The index elsewhere: as static files, and from another index."""
