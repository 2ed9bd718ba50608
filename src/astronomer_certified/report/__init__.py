"""Manifests, certificates and advisories -> pages and notes for people."""
