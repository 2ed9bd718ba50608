"""The published files, and what is known of them."""
