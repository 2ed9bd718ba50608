"""Makes a user of each role that its arguments name, with a password that is the role's name; prints the roles."""

import sys

try:
    from airflow.www_rbac.app import cached_appbuilder  # 1.10 has two user interfaces, and roles in one of them

    manager = cached_appbuilder().sm
except ImportError:
    from airflow.www.app import cached_app

    manager = cached_app().appbuilder.sm
for name in sys.argv[1:]:
    role = manager.find_role(name)
    assert role, name
    made = manager.add_user(
        name.lower(), name, "User", "%s@example.invalid" % name.lower(), role, password=name.lower()
    )
    assert made, name
print("users: " + " ".join(sys.argv[1:]))
