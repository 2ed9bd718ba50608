"""The library for Kubernetes, and what it needs, where it is not installed: every name is a class that takes anything.

The proofs that import this show what Airflow does before it asks a cluster, or bring a cluster of their own.
"""
import contextlib
import importlib
import importlib.machinery
import importlib.util
import sys
import tempfile
import types


class _Library(types.ModuleType):
    __path__ = []

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        if name.islower():
            return importlib.import_module(self.__name__ + '.' + name)
        base = Exception if name.endswith(('Exception', 'Error')) else object
        found = type(name, (base,), {'__init__': lambda self, *args, **kwargs: None})
        setattr(self, name, found)
        return found


_MISSING = [name for name in ('kubernetes', 'urllib3') if importlib.util.find_spec(name) is None]


class _Finder:
    """Finds what is missing, and all below it."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.split('.')[0] in _MISSING:
            return importlib.machinery.ModuleSpec(name, cls, is_package=True)
        return None

    @staticmethod
    def create_module(spec):
        return _Library(spec.name)

    @staticmethod
    def exec_module(module):
        pass


sys.meta_path.append(_Finder)


@contextlib.contextmanager
def short_paths():
    """Processes that an executor starts can talk to it: a socket has no long path, as the folders of proofs have."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(dir='/tmp') as folder:
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = before
