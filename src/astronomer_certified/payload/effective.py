"""What services run with: the environment file, then this shell's environment, then airflow.cfg, as Airflow has it."""

import configparser
import os

from . import files, settings


class Effective:
    """The settings of an installation. `home` is Airflow's folder, `environ` what a service has in its environment."""

    def __init__(self, values, environ):
        self.environ = dict(environ, **values)
        self.home = self.environ.get(settings.HOME) or os.path.join(os.path.expanduser("~"), "airflow")
        self.cfg_path = os.path.join(self.home, "airflow.cfg")
        self._cfg = configparser.RawConfigParser(strict=False)
        # What is wrong with airflow.cfg, or "".
        self.cfg_problem = ""
        try:
            self._cfg.read_string(files.text(self.cfg_path))
        except FileNotFoundError:
            pass
        except (OSError, UnicodeDecodeError, configparser.Error) as err:
            self.cfg_problem = "{}: {}".format(self.cfg_path, files.why_unread(err))

    def get(self, section, key, default=""):
        """The value of a setting; `default` where nothing sets it."""
        name = "AIRFLOW__{}__{}".format(section.upper(), key.upper())
        if name in self.environ:
            return self.environ[name].strip()
        return self._cfg.get(section, key, fallback=default).strip()

    def section(self, name):
        """What a section has, `{option: value}`, as Airflow gives it to others: numbers and yes or no as such."""
        found = dict(self._cfg.items(name)) if self._cfg.has_section(name) else {}
        start = "AIRFLOW__{}__".format(name.upper())
        for variable, value in self.environ.items():
            if variable.startswith(start):
                found[variable[len(start) :].lower()] = value
        return {option: _typed(value.strip()) for option, value in found.items()}

    def is_true(self, section, key, default=""):
        """Whether a setting is on, as Airflow reads it."""
        return self.get(section, key, default).split("#")[0].strip().lower() in ("t", "true", "1")

    def is_told(self, section, key):
        """Whether a command or a secret tells the value, which is then not looked at."""
        name = "AIRFLOW__{}__{}".format(section.upper(), key.upper())
        return any(
            name + ending in self.environ or self._cfg.has_option(section, key + ending.lower())
            for ending in ("_CMD", "_SECRET")
        )

    @property
    def log_folder(self):
        """Where logs of tasks are; 1.10 has it in [core], 2.x in [logging]."""
        folder = self.get("logging", "base_log_folder") or self.get("core", "base_log_folder")
        return folder or os.path.join(self.home, "logs")


def _typed(value):
    """A value as Airflow reads it in a section that it gives to others."""
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value
