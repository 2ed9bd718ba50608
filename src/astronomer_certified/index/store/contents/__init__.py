"""The bytes of one wheel or sdist -> what it says of itself, or why it must not enter the index. Only reads."""
