"""Whole operations on one release or on all of them, each under the lock of its release."""
