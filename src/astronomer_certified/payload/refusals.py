"""What a person can get wrong: one message that says what, where, and what to do."""


class Refused(Exception):
    """Something is not done; the text is the message. `command.main` prints it and ends with status 1."""
