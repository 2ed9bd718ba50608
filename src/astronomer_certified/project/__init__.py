"""What humans wrote in this repository -> validated records."""
