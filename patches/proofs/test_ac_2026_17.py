"""AC-2026-17: a user name is looked for in the directory as it is, whatever it means in a search filter."""
import os
import re
import sys
import types

import pytest

pytestmark = pytest.mark.fresh_process

os.environ.update(
    AIRFLOW__LDAP__URI='ldaps://directory.invalid',
    AIRFLOW__LDAP__BIND_USER='reader',
    AIRFLOW__LDAP__BIND_PASSWORD='reads',
    AIRFLOW__LDAP__BASEDN='dc=example',
    AIRFLOW__LDAP__USER_FILTER='objectClass=*',
    AIRFLOW__LDAP__USER_NAME_ATTR='uid',
    AIRFLOW__LDAP__CACERT='',
    AIRFLOW__LDAP__SEARCH_SCOPE='LEVEL',
)

PEOPLE = {'ann': 'ann-s', 'eve (guest)': 'eve-s'}
SEARCHED = []


class Connection:
    """A directory that knows names with an asterisk, and names whose signs are escaped (RFC 4515)."""

    last_error = 'invalid credentials'

    def __init__(self, server, dn, password):
        self.dn, self.password = dn, password
        self.response = []

    def bind(self):
        return self.dn == 'reader' or PEOPLE.get(self.dn) == self.password

    def unbind(self):
        pass

    def search(self, base, words, search_scope=None, attributes=None):
        SEARCHED.append(words)
        name = re.match(r'\(&\(objectClass=\*\)\(uid=([^()]*)\)', words)
        wanted = '.*'.join(re.escape(plain(part)) for part in name.group(1).split('*')) if name else ''
        self.response = [
            {'dn': person, 'attributes': {'memberOf': ['cn={},ou=groups'.format(person)]}}
            for person in sorted(PEOPLE) if name and re.match(wanted + r'\Z', person)
        ]
        return bool(self.response)


def plain(part):
    return re.sub(r'\\([0-9a-f]{2})', lambda found: chr(int(found.group(1), 16)), part)


@pytest.fixture(autouse=True)
def directory(monkeypatch):
    """The library for LDAP, which is not installed everywhere, talks to a directory of this process."""
    library = types.ModuleType('ldap3')
    library.Server = library.Tls = lambda *args, **kwargs: None
    library.Connection = Connection
    library.set_config_parameter = lambda name, value: None
    library.LEVEL = library.SUBTREE = 'LEVEL'
    monkeypatch.setitem(sys.modules, 'ldap3', library)
    del SEARCHED[:]


def login(username, password):
    """Whether the directory lets that user in."""
    from airflow.contrib.auth.backends import ldap_auth

    try:
        ldap_auth.LdapUser.try_login(username, password)
    except ldap_auth.AuthenticationError:
        return False
    return True


@pytest.mark.parametrize('username', ['a*', '*', 'ann)(description=secret*', 'ann)(|(uid=*', 'ann\\', 'ann\0'])
def test_no_user_name_is_a_filter_of_its_own(username):
    for password in PEOPLE.values():
        assert not login(username, password), 'somebody else is let in than the directory has'
    signs = [words.replace('(&(objectClass=*)(uid=', '', 1) for words in SEARCHED]

    assert [re.findall(r'[(*\0]|\\(?![0-9a-f]{2})', words) for words in signs] == [[]] * len(signs)
    assert {words.count(')') for words in signs} == {2}, 'the search is another one'


def groups(username):
    """The groups that the directory has of that user; None when it has no such user."""
    from airflow.contrib.auth.backends import ldap_auth

    try:
        return ldap_auth.groups_user(Connection(None, 'reader', ''), 'dc=example', 'objectClass=*', 'uid', username)
    except ldap_auth.AuthenticationError:
        return None


def test_the_groups_of_a_user_are_his_own():
    assert groups('eve (guest)') == ['eve (guest)']
    assert groups('a*') is None


def test_who_is_in_the_directory_still_logs_in():
    assert login('ann', 'ann-s')
    assert not login('ann', 'eve-s')
    assert not login('nobody', 'ann-s')
