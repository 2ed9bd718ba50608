"""Published wheels -> the evidence that they install, run and are fixed."""
