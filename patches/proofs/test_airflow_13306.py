"""apache/airflow#13306: the extra `ldap` brings what the website asks for where people come from LDAP."""
import inspect

import pkg_resources
import pytest
from flask_appbuilder.security.manager import BaseSecurityManager

# The distribution that has a module, for those that are asked for.
DISTRIBUTIONS = {'ldap': 'python-ldap', 'ldap3': 'ldap3'}


@pytest.fixture(name='wanted')
def fixture_wanted():
    """What the extra brings beside what Airflow needs anyway, by name."""
    airflow = pkg_resources.get_distribution('apache-airflow')
    return {item.key for item in airflow.requires(extras=['ldap'])} - {item.key for item in airflow.requires()}


def test_the_extra_brings_the_library_that_the_login_imports(wanted):
    source = inspect.getsource(BaseSecurityManager.auth_user_ldap)
    [module] = [line.split()[1] for line in source.splitlines() if line.strip() in ('import ldap', 'import ldap3')]

    assert DISTRIBUTIONS[module] in wanted, 'nobody from LDAP can log in'


def test_it_still_brings_the_library_of_the_old_website(wanted):
    assert 'ldap3' in wanted
