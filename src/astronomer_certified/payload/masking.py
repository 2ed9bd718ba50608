"""Names and values -> what people may see of them. In doubt, nothing: a file with what is shown is sent to others."""

import json
import re

_HIDDEN = "***"
# Names of variables, of parameters and of keys in JSON, wherever in them it stands.
_WORDS = "PASS|PWD|SECRET|TOKEN|CREDENTIAL|AUTHORIZATION|BASIC_AUTH|DSN|KWARGS|KEYFILE|WEBHOOK|SIGNATURE"
_SECRET = re.compile(r"{}|KEY\Z|KEY_(CMD|SECRET)\Z|\AAIRFLOW_CONN_".format(_WORDS))
# Of parameters more: what follows is a word in a list, and seldom worth anything to a reader. Names have an end, or a
# value of many letters would take hours.
_NAME = r"[\w.%-]{{0,60}}(?:{}|KEY|AUTH)[\w.%-]{{0,60}}".format(_WORDS)
# A login without an address around it, as in a broken one.
_BARE_LOGIN = re.compile(r"[^\s/:@]{1,60}:[^\s/@][^\s@]{0,200}@")
_PARAMETER = re.compile(r"({}\s*=\s*)[^&\n]+".format(_NAME), re.IGNORECASE)
_HEADER = re.compile(r"\b((?:AUTHORIZATION|PASSWORD|SECRET|TOKEN)\s*:\s*)[^\n]+", re.IGNORECASE)
_SCHEME = re.compile(r"\b((?:BEARER|BASIC)(?:\s|%20|\+)+)[^\s&\"']+", re.IGNORECASE)
# A part of JSON, or of what Python prints, in other text: all that follows, as nobody can say where the value ends.
_PAIR = re.compile(r"([\"']{}[\"']\s*:\s*).+".format(_NAME), re.IGNORECASE | re.DOTALL)


def shown(name, value):
    """The value as it may be seen by people: without secrets. `name` is that of its variable, "" for any text."""
    if value and _SECRET.search(name.upper()):
        return _HIDDEN
    if value.lstrip().startswith(("{", "[")):
        return _of_json(value)
    return _of_text(value)


def _of_text(value):
    value = _PAIR.sub(r"\1" + _HIDDEN, value)
    value = _BARE_LOGIN.sub("{}@".format(_HIDDEN), _without_login(value))
    for pattern in (_SCHEME, _PARAMETER, _HEADER):
        value = pattern.sub(r"\1" + _HIDDEN, value)
    return value


def _without_login(value):
    """From // to the last @, whatever stands between: a password may have an @, a slash or a blank, a token stands
    without a name, and hosts between two logins are better hidden than half a password shown."""
    start, end = value.find("//"), value.rfind("@")
    return "{}//{}{}".format(value[:start], _HIDDEN, value[end:]) if 0 <= start < end else value


def _of_json(text):
    """JSON with its secrets hidden."""
    try:
        found = json.loads(text)
        without = _without(found)
    except RecursionError:
        return _HIDDEN
    except ValueError:
        # It only begins like it.
        return _of_text(text)
    return text if without == found else json.dumps(without)


def _without(found):
    if isinstance(found, dict):
        return {name: _hidden(value) if _is_secret(name) else _without(value) for name, value in found.items()}
    if isinstance(found, list):
        return [_without(value) for value in found]
    return shown("", found) if isinstance(found, str) else found


def _hidden(value):
    return _HIDDEN if value not in ("", None, {}, []) else value


def _is_secret(name):
    return re.match(_NAME + r"\Z", name, re.IGNORECASE) is not None
