"""A request -> an answer. Knows no socket."""
