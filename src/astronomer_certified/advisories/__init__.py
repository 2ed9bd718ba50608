"""Known vulnerabilities, and what each release says of each."""
