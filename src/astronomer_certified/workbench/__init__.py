"""The patch workbench: series <-> git commits, ports between versions, lint, and the picture of the whole.

`commands` is its command line. Everything is done with git itself; the series in patches/ is what counts.
"""
