"""Walks the web interfaces and APIs: what rights each route asks for, and how it answers an admin and a stranger.

Nothing here is guessed: each route is asked, and the security manager says what it was asked meanwhile. The proof and
the script that writes routes/VERSION.tsv share this, on upstream's Airflow and on ours.

    python routes.py FILE    writes what it finds in the Airflow that is installed, as JSON
"""
import base64
import contextlib
import functools
import io
import json
import os
import shutil
import sqlite3
import sys
from urllib.parse import urlsplit

if __name__ == '__main__':
    # Before Airflow is imported, which reads the settings.
    import conftest

import ui  # noqa: E402

RUN_ID = 'manual__of the proof'
DATE = ui.RUN_DATE.isoformat()
END = '2021-06-30T00:00:00+00:00'
LATER = '2021-07-01T00:00:00+00:00'

# What takes the place of variables in rules, wherever they stand.
NAMES = {
    'dag_id': 'own',
    'task_id': 'task',
    'dag_run_id': RUN_ID,
    'execution_date': DATE,
    'xcom_key': 'key',
    'connection_id': 'kept',
    'variable_key': 'kept',
    'pool_name': 'kept',
    'role_name': 'Admin',
    'username': 'admin',
    'filename': 'none.js',
    'path': 'none.js',
    'name': 'kept',
    'form': 'none',
    'col_name': 'none',
    'locale': 'en',
    'provider': 'none',
    'version': 'v1',
}

# What pages and forms are given, more than each of them needs; no list wants any of it.
WORDS = {
    'dag_id': 'own',
    'task_id': 'task',
    'execution_date': DATE,
    'dag_run_id': RUN_ID,
    'run_id': RUN_ID,
    'dag_ids': 'own',
    'confirmed': 'true',
    'is_paused': 'false',
    'origin': '/home',
    'conf': '{}',
    'state': 'failed',
    'try_number': '1',
    'metadata': '{}',
    'key': 'kept',
    'value': 'value',
    'val': 'value',
    'conn_id': 'new',
    'conn_type': 'http',
    'pool': 'new',
    'slots': '1',
    'file_id': '1',
}

# What the APIs want as JSON, by the end of the rule.
BODIES = {
    ('POST', '/connections'): {'connection_id': 'new', 'conn_type': 'http'},
    ('PATCH', '/connections/<connection_id>'): {'connection_id': 'kept', 'conn_type': 'ftp'},
    ('PATCH', '/dags/<dag_id>'): {'is_paused': True},
    ('POST', '/clearTaskInstances'): {'dry_run': False, 'start_date': DATE, 'end_date': END},
    ('POST', '/updateTaskInstancesState'): {
        'dry_run': False,
        'task_id': 'task',
        'execution_date': DATE,
        'include_upstream': False,
        'include_downstream': False,
        'include_future': False,
        'include_past': False,
        'new_state': 'failed',
    },
    ('POST', '/dagRuns'): {'execution_date': LATER},
    ('POST', '/api/experimental/pools'): {'name': 'new', 'slots': 1, 'description': 'new'},
    ('POST', '/api/v1/pools'): {'name': 'new', 'slots': 1},
    ('PATCH', '/pools/<pool_name>'): {'name': 'kept', 'slots': 2},
    ('POST', '/roles'): {'name': 'new', 'actions': [{'action': {'name': 'can_read'}, 'resource': {'name': 'Pools'}}]},
    ('PATCH', '/roles/<role_name>'): {'name': 'Admin', 'actions': []},
    ('POST', '/variables'): {'key': 'new', 'value': 'value'},
    ('PATCH', '/variables/<variable_key>'): {'key': 'kept', 'value': 'new'},
}

APIS = {'/api/v1/': 'REST API', '/api/experimental/': 'experimental API'}


class Route:
    """A rule with a method, and what is sent to it: for rules of many actions, one for each of these."""

    def __init__(self, name, rule, method, values, note=''):
        app = ui.app_of(name)
        self.method = method
        self.ui = name
        api = next((api for prefix, api in APIS.items() if rule.rule.startswith(prefix)), None)
        self.is_api = api is not None
        # In 1.10 each interface has the API.
        self.interface = '{} of {}'.format(api, name) if api and ui.IS_1 else api or name
        self.rule = rule.rule + note
        self.address = app.url_map.bind('localhost').build(
            rule.endpoint, {name: values[name] for name in rule.arguments}, method=method
        )
        # A rule that another one shadows in `build` would be asked at an address that is not its own.
        found = app.url_map.bind('localhost').match(urlsplit(self.address).path, method=method, return_rule=True)[0]
        assert found.rule == rule.rule, (self.address, found.rule, rule.rule)
        # Of two views with the same rule, requests reach one.
        self.is_reached = found.endpoint == rule.endpoint
        # Pages of Flask-AppBuilder that are under the same prefix know the session.
        self.wants_password = self.is_api and not hasattr(app.view_functions[rule.endpoint], '__self__')
        self.sent = {}
        if self.is_api:
            bodies = [body for (verb, end), body in BODIES.items() if verb == method and rule.rule.endswith(end)]
            if method in ('POST', 'PATCH', 'PUT'):
                self.sent['json'] = bodies[0] if bodies else {}
        elif method in ('GET', 'HEAD', 'OPTIONS'):
            self.sent['query_string'] = WORDS
        else:
            self.sent['data'] = dict(WORDS, **{name: values[name] for name in values if name in ('action', 'rowid')})
            if rule.rule.endswith('/paused'):
                # This form has everything in its address.
                self.sent = {'query_string': {'dag_id': 'own', 'is_paused': 'false'}}

    @property
    def key(self):
        return self.interface, self.method, self.rule


def routes_of(name):
    """All routes of an interface, `HEAD` and `OPTIONS` left out."""
    app = ui.app_of(name)
    _add_experimental_api(app)
    found = []
    for rule in app.url_map.iter_rules():
        for method in sorted(rule.methods - {'HEAD', 'OPTIONS'}):
            for values, note in _variants(app, rule):
                route = Route(name, rule, method, values, note)
                if route.is_reached:
                    found.append(route)
    return sorted(found, key=lambda route: route.key)


def _add_experimental_api(app):
    """In 2.x nobody sees this API by default; how it is guarded is to be known nevertheless."""
    if ui.IS_1 or any(rule.rule.startswith('/api/experimental/') for rule in app.url_map.iter_rules()):
        return
    from airflow.www.extensions.init_views import init_api_experimental

    os.environ['AIRFLOW__API__ENABLE_EXPERIMENTAL_API'] = 'True'
    init_api_experimental(app)


def _variants(app, rule):
    """What takes the place of the variables of a rule: of a list, each of its actions in turn."""
    view = getattr(app.view_functions[rule.endpoint], '__self__', None)
    values = {name: _value(name, rule, view) for name in rule.arguments}
    actions = sorted(getattr(view, 'actions', None) or ())
    if rule.rule.endswith('/action/<string:name>/<pk>'):
        return [(dict(values, name=name), ' name={}'.format(name)) for name in actions or ['none']]
    if rule.rule.endswith('/action_post'):
        rows = [_pk(view)] if view else []
        return [(dict(values, action=name, rowid=rows), ' action={}'.format(name)) for name in actions or ['none']]
    several = [(values, '')]
    if rule.rule.startswith('/api/v1/dags/<dag_id>/') and 'GET' in rule.methods:
        several.append((dict(values, dag_id='~'), ' dag_id=~'))
    return several


def _value(name, rule, view):
    if name == 'pk':
        return _pk(view)
    if name == 'file_token':
        return _file_token()
    if type(rule._converters[name]).__name__ == 'IntegerConverter':
        return 1
    return NAMES.get(name, '1')


def _pk(view):
    """What names a row in the list of a view: one of the DAG `own`, where rows are of DAGs."""
    datamodel = getattr(view, 'datamodel', None)
    if datamodel is None:
        return '1'
    query = datamodel.session.query(datamodel.obj)
    if hasattr(datamodel.obj, 'dag_id'):
        query = query.filter(datamodel.obj.dag_id == 'own')
    row = query.first()
    assert row is not None, 'no row for {}'.format(type(view).__name__)
    pk = datamodel.get_pk_value(row)
    if hasattr(view, '_serialize_pk_if_composite'):
        pk = view._serialize_pk_if_composite(pk)
    return str(pk)


def _file_token():
    from itsdangerous import URLSafeSerializer

    path = os.path.join(os.environ['AIRFLOW__CORE__DAGS_FOLDER'], 'dags_of_the_proof.py')
    return URLSafeSerializer(os.environ['AIRFLOW__WEBSERVER__SECRET_KEY']).dumps(path)


# What follows is for the database.


class Database:
    """The database as it was before the requests, for each of them."""

    def __init__(self):
        self.path = os.path.join(os.environ['AIRFLOW_HOME'], 'airflow.db')
        self.kept = self.path + '.before'
        ui.let_go()
        shutil.copy(self.path, self.kept)
        self.reset()

    def reset(self):
        """All is as before; costs nothing where nothing was written."""
        ui.let_go()
        if self.is_written():
            shutil.copy(self.kept, self.path)
            os.utime(self.path, ns=(1, 1))

    def is_written(self):
        return os.stat(self.path).st_mtime_ns != 1


def fill():
    """There is a row in each list, and of `own` in those that are about DAGs."""
    from airflow.models import Connection, DagRun, Log, Pool, SlaMiss, TaskInstance, Variable, XCom

    ui.reset_runs()
    added = {
        Variable: {'id': 1, 'key': 'kept', 'val': 'value'},
        Connection: {'id': 1, 'conn_id': 'kept', 'conn_type': 'http', 'host': 'host'},
        Pool: {'id': 50, 'pool': 'kept', 'slots': 1},
        XCom: {'key': 'key', 'value': XCom.serialize_value(1), 'dag_id': 'own', 'task_id': 'task', 'execution_date': ui.RUN_DATE, 'timestamp': ui.RUN_DATE},
        SlaMiss: {'dag_id': 'own', 'task_id': 'task', 'execution_date': ui.RUN_DATE, 'timestamp': ui.RUN_DATE},
        Log: {'id': 1, 'dag_id': 'own', 'task_id': 'task', 'event': 'run', 'dttm': ui.RUN_DATE, 'owner': 'owner'},
    }
    others = [('ImportError', {'id': 1, 'filename': '/none.py', 'stacktrace': 'none', 'timestamp': ui.RUN_DATE})]
    others += [('TaskReschedule', dict.fromkeys(('start_date', 'end_date', 'reschedule_date', 'execution_date'), ui.RUN_DATE))]
    others[-1][1].update(id=1, dag_id='own', task_id='task', try_number=1, duration=1)
    others += [('BaseJob', {'id': 1, 'dag_id': 'own', 'state': 'success', 'job_type': 'BackfillJob'})]
    with ui._session() as session:
        for model, values in list(added.items()) + [(_model(name), values) for name, values in others]:
            query = session.query(model)
            (query.filter(Pool.pool == 'kept') if model is Pool else query).delete()
            session.execute(model.__table__.insert().values(**values))
        # Addresses name runs by numbers that must not depend on the proofs before.
        session.query(DagRun).filter(DagRun.dag_id == 'own').update({'id': 1001})
        assert session.query(TaskInstance).filter(TaskInstance.dag_id == 'own').count() == 1


def _model(name):
    """A model that is not where the others are, in some version."""
    from airflow import jobs, models
    from airflow.models import errors, taskreschedule

    places = [models, errors, taskreschedule, jobs, getattr(jobs, 'base_job', jobs)]
    return next(getattr(place, name) for place in places if hasattr(place, name))


# What follows is for the rights.


@contextlib.contextmanager
def pages_unseen(depth):
    """What is asked while a template is rendered decides which buttons a page shows, and not who sees it."""
    import flask.templating

    rendered = flask.templating._render

    def render(*args, **kwargs):
        depth[0] += 1
        try:
            return rendered(*args, **kwargs)
        finally:
            depth[0] -= 1

    flask.templating._render = render
    try:
        yield
    finally:
        flask.templating._render = rendered


@contextlib.contextmanager
def recorded(manager, denied=()):
    """The rights for which the security manager is asked. Those that are denied are taken for not there."""
    asked, depth = set(), [0]
    # The class: what guards the REST API has the security manager of the first application that was made.
    owner = type(manager)

    def watch(name, told):
        original = getattr(owner, name)

        @functools.wraps(original)
        def watched(self, *args, **kwargs):
            if not depth[0]:
                asked.update(told(*args, **kwargs))
            if name == 'has_access' and args[:2] in denied:
                return False
            depth[0] += 1
            try:
                return original(self, *args, **kwargs)
            finally:
                depth[0] -= 1

        setattr(owner, name, watched)

    def plain(action, resource, *_, **__):
        single = ui.IS_1 and action in (read, edit) and resource != ui.ALL_DAGS
        return {'{} {}{}'.format(action, 'DAG:' if single else '', resource)}

    def some(actions, *_, **__):
        return {'{} some DAG'.format(action) for action in actions}

    def check(permissions=None, dag_id=None):
        # Only these are asked for single DAGs.
        single = (read, 'DAGs'), (edit, 'DAGs')
        return {
            _right(action, resource, dag_id) if (action, resource) in single else '{} {}'.format(action, resource)
            for action, resource in permissions or ()
        }

    read, edit = ui.READ, ui.EDIT
    watches = {
        'check_authorization': check,
        'has_access': plain,
        'can_access_some_dags': lambda action, dag_id=None: {_right(action, 'DAGs', dag_id)},
        'can_read_dag': lambda dag_id, *_, **__: {_right(read, 'DAGs', dag_id)},
        'can_edit_dag': lambda dag_id, *_, **__: {_right(edit, 'DAGs', dag_id)},
        'get_accessible_dags': some,
        'get_readable_dags': lambda *_, **__: some([read]),
        'get_editable_dags': lambda *_, **__: some([edit]),
        'get_readable_dag_ids': lambda *_, **__: some([read]),
        'get_editable_dag_ids': lambda *_, **__: some([edit]),
        'get_accessible_dag_ids': lambda *_, **__: some([read, edit]),
        'get_readable_files': lambda *_, **__: some([read]),
        'has_all_dags_access': lambda *_, **__: {'{} DAGs, or a role'.format(read)},
        'get_current_user_permissions': lambda *_, **__: {'all that the user has'},
        '_has_view_access': lambda user, action, resource: plain(action, resource),
        '_has_perm': plain,
    }
    watches = {name: told for name, told in watches.items() if hasattr(owner, name)}
    kept = {name: vars(owner)[name] for name in watches if name in vars(owner)}
    try:
        for name, told in watches.items():
            watch(name, told)
        with pages_unseen(depth):
            yield asked
    finally:
        for name in watches:
            if name in kept:
                setattr(owner, name, kept[name])
            elif name in vars(owner):
                delattr(owner, name)


@contextlib.contextmanager
def recorded_classic(app):
    """Which of three kinds of users the interface without roles asks for; by default, it takes everybody for all of them."""
    from airflow.www import utils

    asked, depth = set(), [0]
    kinds = {'LoginMixin': 'login', 'SuperUserMixin': 'superuser', 'DataProfilingMixin': 'data profiling'}

    def add(kind):
        if not depth[0]:
            asked.add(kind)

    def watch(owner, kind):
        original = owner.is_accessible

        def is_accessible(self, *args, **kwargs):
            add(kind)
            return original(self, *args, **kwargs)

        owner.is_accessible = is_accessible
        return owner, original

    class Manager(type(app.login_manager)):
        """What asks for a login looks here whether it has to."""

        @property
        def _login_disabled(self):
            add('login')
            return vars(self)['_login_disabled']

    class Config(type(app.config)):
        """What guards a view looks here whether it has to."""

        def get(self, key, *args):
            if key == 'LOGIN_DISABLED':
                add('data profiling')
            return super().get(key, *args)

        def __getitem__(self, key):
            if key == 'LOGIN_DISABLED':
                add('data profiling')
            return super().__getitem__(key)

    watched = [watch(getattr(utils, name), kind) for name, kind in kinds.items() if hasattr(utils, name)]
    before, app.config.__class__ = app.config.__class__, Config
    manager, app.login_manager.__class__ = app.login_manager.__class__, Manager
    try:
        with pages_unseen(depth):
            yield asked
    finally:
        app.config.__class__ = before
        app.login_manager.__class__ = manager
        for owner, original in watched:
            owner.is_accessible = original


def _right(action, resource, dag_id=None):
    if resource == 'DAGs':
        resource = 'DAG:{}'.format(dag_id) if dag_id and dag_id != '~' else 'some DAG'
    return '{} {}'.format(action, resource)


# What follows are the requests.


def ask(route, headers, method=None):
    """The answer, short: the status, and where it leads."""
    sent = dict(route.sent)
    if route.rule.endswith('varimport'):
        sent['data'] = dict(sent.get('data', {}), file=(io.BytesIO(b'{"new": "value"}'), 'variables.json'))
    client = ui.app_of(route.ui).test_client(use_cookies=False)
    headers = dict(headers, Accept='application/json') if route.is_api else headers
    response = client.open(route.address, method=method or route.method, headers=headers, **sent)
    status = str(response.status_code)
    if response.status_code in (301, 302):
        status += ' ' + urlsplit(response.headers['Location']).path
    response.close()
    return status


def admin_headers(name):
    """Those of a browser in which the admin is logged in; an API is told his name and password."""
    client = ui.client_of(name)
    cookies = '; '.join('{}={}'.format(cookie.name, cookie.value) for cookie in client.cookie_jar)
    token = base64.b64encode('admin:{}'.format(ui.PASSWORD).encode()).decode()
    page, api = {'Cookie': cookies} if cookies else {}, {'Authorization': 'Basic ' + token}
    return lambda route: api if route.wants_password else page


@contextlib.contextmanager
def as_in_production(app):
    """An error is a page, not an exception; it writes nothing."""
    before = app.config['PROPAGATE_EXCEPTIONS'], app.logger.disabled
    app.config['PROPAGATE_EXCEPTIONS'], app.logger.disabled = False, True
    try:
        yield
    finally:
        app.config['PROPAGATE_EXCEPTIONS'], app.logger.disabled = before


DENIED = (('can_dag_edit', 'all_dags'), ('can_dag_edit', 'own'), ('can_dag_read', 'all_dags'))


def walk(name):
    """By (interface, method, rule): the rights that are asked for, and what an admin and a stranger are answered."""
    app = ui.app_of(name)
    fill()
    headers = admin_headers(name)
    database = Database()
    table = {}
    with as_in_production(app):
        for route in routes_of(name):
            database.reset()
            with recorded(app.appbuilder.sm) if name == ui.RBAC else recorded_classic(app) as rights:
                admin = ask(route, headers(route))
            database.reset()
            if ui.IS_1 and name == ui.RBAC:
                # Who may edit all DAGs is asked for nothing more, be it a page that reads or one that changes.
                with recorded(app.appbuilder.sm, DENIED) as more:
                    ask(route, headers(route))
                database.reset()
                rights = {right for right in rights | more if not right.endswith(' all_dags')}
                if 'can_dag_read DAG:own' in rights:
                    rights.discard('can_dag_edit DAG:own')
            stranger = ask(route, {})
            assert route.key not in table, route.key
            table[route.key] = '; '.join(sorted(rights)), '{} | {}'.format(admin, stranger)
    database.reset()
    return table


def changes(name, methods=('HEAD', 'OPTIONS')):
    """What changes something in the database that should not: the method, the rule and the tables."""
    app = ui.app_of(name)
    fill()
    headers = admin_headers(name)
    database = Database()
    before, found = contents(), []
    with as_in_production(app):
        for route in routes_of(name):
            for method in methods:
                if method not in ('OPTIONS', route.method.replace('GET', 'HEAD')):
                    continue
                database.reset()
                ask(route, headers(route), method)
                if database.is_written():
                    after = contents()
                    tables = [table for table in before if after.get(table) != before[table]]
                    found += [(method, route.rule, tables)] if tables else []
    database.reset()
    return found


def contents():
    """All rows of the database, but for the audit log, sessions, and when and how often a user logged in."""
    path, found = os.path.join(os.environ['AIRFLOW_HOME'], 'airflow.db'), {}
    ui.let_go()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        for table in [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]:
            if table not in ('log', 'session'):
                rows = connection.execute('SELECT * FROM "{}"'.format(table))
                found[table] = sorted(repr([row[key] for key in row.keys() if 'login' not in key]) for row in rows)
    return found


def walk_all():
    """The tables of all interfaces, as lists."""
    rows = []
    for name in ui.UIS:
        rows += [list(key) + list(value) for key, value in sorted(walk(name).items())]
    return rows


if __name__ == '__main__':
    conftest.prepare('ui')
    found = walk_all()
    with open(sys.argv[1], 'w') as file:
        json.dump(found, file)
    conftest.pytest_unconfigure()
