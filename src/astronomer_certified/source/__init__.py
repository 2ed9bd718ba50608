"""Pinned file names -> verified files and unpacked trees."""
