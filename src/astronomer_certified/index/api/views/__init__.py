"""Records, metadata and notes -> what the templates show. Nothing here is HTML."""
