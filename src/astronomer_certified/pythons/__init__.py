"""Interpreters on this machine, and environments made with them."""
