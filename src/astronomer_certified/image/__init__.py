"""The wheels of a release -> an OCI image."""
