"""The stages of a release, a module each: what goes into it, what it needs, and what it calls.

A stage is stale when its own module changed, or a module that it reaches: so each imports what it uses, and no more.
"""
