"""argv -> one operation -> what it prints. The only room that knows of exit codes."""
