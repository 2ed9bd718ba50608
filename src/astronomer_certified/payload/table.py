"""Rows for a terminal."""

from .say import printable


def aligned(rows):
    """The rows, each of as many texts, with the texts of a column below one another; one line for each."""
    rows = [[printable(str(cell)) for cell in row] for row in rows]
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
