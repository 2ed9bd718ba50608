"""C libraries from pinned sources, and the compiler that makes machine code for glibc 2.17 wherever it runs."""
