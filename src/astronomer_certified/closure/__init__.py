"""A manifest -> the pins of everything that is installed with it."""
