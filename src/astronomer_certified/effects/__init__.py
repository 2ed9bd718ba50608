"""The doors to the outside: files and locks, and programs that are started."""
