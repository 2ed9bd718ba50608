"""A patched tree, or pins -> wheels with reproducible bytes, compared with those of upstream."""
