"""The webserver's configuration of a certification: people are looked up in the LDAP server that it names."""

import os

from flask_appbuilder.security.manager import AUTH_DB, AUTH_LDAP

SQLALCHEMY_DATABASE_URI = os.environ["AIRFLOW__CORE__SQL_ALCHEMY_CONN"]
WTF_CSRF_ENABLED = True
AUTH_LDAP_SERVER = os.environ.get("CERTIFIED_LDAP")
AUTH_TYPE = AUTH_LDAP if AUTH_LDAP_SERVER else AUTH_DB
AUTH_LDAP_USE_TLS = False
AUTH_LDAP_SEARCH = "dc=example"
AUTH_LDAP_UID_FIELD = "uid"
AUTH_LDAP_BIND_USER = "cn=admin,dc=example"
AUTH_LDAP_BIND_PASSWORD = "secret"
AUTH_USER_REGISTRATION = True
AUTH_USER_REGISTRATION_ROLE = "Viewer"
