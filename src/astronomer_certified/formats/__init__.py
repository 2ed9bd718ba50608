"""The bytes of sdists and wheels."""
