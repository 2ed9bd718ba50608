"""What the audit log keeps of a command line, for the proofs: 1.10 and 2.x spell commands and options differently."""
import functools
import sys

try:
    from airflow.bin.cli import get_parser
except ImportError:
    from airflow.cli.cli_parser import get_parser

parser = functools.lru_cache(maxsize=None)(get_parser)


def logged(*words):
    """What the audit log keeps of `airflow WORDS`, None where this version has no such command line."""
    from airflow.models import Log
    from airflow.settings import Session

    session = Session()
    session.query(Log).delete()
    session.commit()
    before = sys.argv
    sys.argv = ['airflow'] + list(words)
    try:
        args = parser().parse_args(list(words))
        args.func(args)
    except SystemExit:
        # Not known here, or done: what counts is whether it was logged.
        pass
    except Exception as error:  # pylint: disable=broad-except
        print('the command itself ended with', repr(error))
    finally:
        sys.argv = before
    # Airflow ends its sessions with a command.
    session = Session()
    rows = [row.extra for row in session.query(Log)]
    session.commit()
    return '\n'.join(rows) if rows else None


def known(lines):
    """The command lines that this version has."""
    found = {line: text for line, text in ((line, logged(*line)) for line in lines) if text is not None}
    assert found, 'this version has no such command'
    return found
