"""The web interfaces of Airflow for the proofs: `www` and `www_rbac` in 1.10, `www` alone in 2.x.

1.10 is told from 2.x by what can be imported.
"""
import datetime
import functools
import html
import importlib.util
import os
import re
from html.parser import HTMLParser

HOST = 'http://localhost'
PASSWORD = 'not a secret'
# 1.10 configures the interface with roles only where it is on while Airflow is imported.
os.environ['AIRFLOW__WEBSERVER__RBAC'] = 'True'
IS_1 = importlib.util.find_spec('airflow.www_rbac') is not None
UIS = ['www', 'www_rbac'] if IS_1 else ['www']
# The one that knows users, roles and permissions for single DAGs.
RBAC = 'www_rbac' if IS_1 else 'www'
EDIT, READ, ALL_DAGS = ('can_dag_edit', 'can_dag_read', 'all_dags') if IS_1 else ('can_edit', 'can_read', None)

DAGS = '''
from datetime import datetime
from airflow import DAG
try:
    from airflow.operators.dummy import DummyOperator
except ImportError:
    from airflow.operators.dummy_operator import DummyOperator

for dag_id in ('own', 'other'):
    dag = DAG(dag_id, start_date=datetime(2021, 6, 1), schedule_interval=None)
    DummyOperator(task_id='task', dag=dag)
    globals()[dag_id] = dag
'''
RUN_DATE = datetime.datetime(2021, 6, 2, tzinfo=datetime.timezone.utc)

_apps, _clients, _menus = {}, {}, {}


def app_of(ui):
    """The web application of an interface; made once, with the DAGs `own` and `other`."""
    if ui not in _apps:
        _write_dags()
        if IS_1:
            # Leaves the charts out, which are not proven here: 1.10.7 does not start with them and its SQLAlchemy.
            os.environ['AIRFLOW__CORE__SECURE_MODE'] = 'True'
        else:
            os.environ['AIRFLOW__API__AUTH_BACKEND'] = 'airflow.api.auth.backend.basic_auth'
        os.environ['AIRFLOW__WEBSERVER__RBAC'] = str(ui == 'www_rbac')
        module = importlib.import_module('airflow.{}.app'.format(ui))
        app = module.create_app()
        app = app[0] if isinstance(app, tuple) else app
        # Victim and attacker have a session, and with it a token: CSRF is not what is proven here.
        app.config['WTF_CSRF_ENABLED'] = False
        if ui == RBAC:
            _add_users(app)
            # Each entry asks the database for rights, on every page: half of the time that a page takes.
            _menus[ui], app.appbuilder.menu.menu[:] = app.appbuilder.menu.menu[:], []
        _apps[ui] = app
    return _apps[ui]


def show_menu(ui):
    """From now on its pages have their menu, for proofs that look at that."""
    app_of(ui).appbuilder.menu.menu[:] = _menus[ui]


def let_go():
    """No connection to the database is open: none may be in two processes."""
    from airflow import settings

    settings.Session.remove()
    settings.engine.dispose()
    if RBAC in _apps:
        session = _apps[RBAC].appbuilder.get_session
        engine = session.get_bind()
        session.remove()
        engine.dispose()


def _write_dags():
    folder = os.environ['AIRFLOW__CORE__DAGS_FOLDER']
    path = os.path.join(folder, 'dags_of_the_proof.py')
    if os.path.exists(path):
        return
    os.makedirs(folder, exist_ok=True)
    with open(path, 'w') as file:
        file.write(DAGS)
    from airflow.models import DagBag

    bag = DagBag(folder, include_examples=False)
    if IS_1:
        for dag in bag.dags.values():
            dag.sync_to_db()
    else:
        bag.sync_to_db()


def _add_users(app):
    """Users: admin; owner, who may edit `own` and nothing of `other`; reader, who may also read `other`."""
    with app.app_context():
        security = app.appbuilder.sm
        security.sync_roles()
        for name in ('owner', 'reader'):
            role = security.add_role(name)
            # All that a user may do beside DAGs, creating and deleting runs and tasks included. Early 1.10 lets
            # nobody but Admin mark tasks as failed.
            for right in security.find_role('Admin' if IS_1 else 'Op').permissions:
                if not _is_of_dags(right):
                    security.add_permission_role(role, right)
        security.sync_perm_for_dag('own', {'owner': {EDIT, READ}, 'reader': {EDIT, READ}})
        security.sync_perm_for_dag('other', {'reader': {READ}})
        for username, role in (('admin', 'Admin'), ('owner', 'owner'), ('reader', 'reader'), ('viewer', 'Viewer')):
            email = username + '@example.invalid'
            assert security.add_user(username, username, 'Proof', email, security.find_role(role), PASSWORD)


def _is_of_dags(right):
    if IS_1:
        return right.permission.name in (EDIT, READ)
    from airflow.security import permissions

    return right.view_menu.name == permissions.RESOURCE_DAG


def client_of(ui, username='admin'):
    """A browser in which this user is logged in; the interface without roles knows no users here."""
    if (ui, username) in _clients:
        return _clients[ui, username]
    client = _clients[ui, username] = app_of(ui).test_client()
    if ui == RBAC:
        client.post('/login/', data={'username': username, 'password': PASSWORD})
        assert client.get('/home').status_code == 200, 'the user of the proof could not log in'
    return client


def url_of(ui, view):
    """The path of a view of the class `Airflow`."""
    return '/{}'.format(view) if ui == RBAC else '/admin/airflow/{}'.format(view)


def index_of(ui):
    """The page to which redirects lead that may not go where they were told to."""
    return HOST + ('/home' if ui == RBAC else '/admin/')


# What follows is for pages and redirects.


class Page(HTMLParser):
    """What of a page runs script or leads elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.script, self.links, self.fields = [], {}, {}
        self._open = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.script += [value for name, value in attrs if name.startswith('on') and value]
        if tag == 'input' and values.get('name'):
            self.fields.setdefault(values['name'], []).append(values.get('value'))
        self._open.append((tag, values.get('href')))

    def handle_data(self, data):
        tag, href = self._open[-1] if self._open else ('', None)
        if tag == 'script':
            self.script.append(data)
        if tag == 'a' and href is not None and data.strip():
            self.links[data.strip()] = href

    def handle_endtag(self, tag):
        while self._open and self._open.pop()[0] != tag:
            pass

    @property
    def cancel(self):
        """Where the button leads that leaves the page, None if that is not a link."""
        return self.links.get('Cancel', self.links.get('bail.'))


def destination(url):
    """Scheme and host to which a browser goes from a page of this webserver (WHATWG URL standard, in short)."""
    url = re.sub('[\t\r\n]', '', url.strip(''.join(map(chr, range(0x21)))))
    scheme = re.match('([A-Za-z][A-Za-z0-9+.-]*):', url)
    rest = url[scheme.end() :] if scheme else url
    name = scheme.group(1).lower() if scheme else 'http'
    if name not in ('http', 'https'):
        return name, ''
    rest = re.sub(r'^[^?#]*', lambda path: path.group().replace('\\', '/'), rest)
    if not rest.startswith('//') and name == 'http':
        return name, 'localhost'
    return name, re.split('[/?#]', rest.lstrip('/'))[0].lower()


HERE = ('http', 'localhost')

# Each ends in a redirect to origin: an unknown DAG or no date is all that they need.
REDIRECTS = [('trigger', 'query'), ('trigger', 'form'), ('dagrun_failed', 'form'), ('dagrun_success', 'form')]


def redirect(ui, view, place, origin):
    """The response of a view that sends the browser back to `origin`, named in query string or form."""
    values = {'dag_id': 'nowhere' if view == 'trigger' else 'own', 'origin': origin}
    values = {name: value for name, value in values.items() if value is not None}
    where = {'query_string' if place == 'query' else 'data': values}
    response = client_of(ui).post(url_of(ui, view), **where)
    # So that an error is a failure of the proof that looks where the redirect leads.
    response.headers.setdefault('Location', 'error:{}'.format(response.status_code))
    return response


def trigger_page(ui, origin):
    """The page that triggers a DAG with a configuration, as a victim sees it who followed a crafted link."""
    response = client_of(ui).get(url_of(ui, 'trigger'), query_string={'dag_id': 'own', 'origin': origin})
    assert response.status_code == 200
    return Page(response.get_data(as_text=True))


# What follows is for DAGs, their runs and their tasks.


def reset_runs(state='success'):
    """Each DAG has one run in that state, with one task in it."""
    from airflow.models import DagRun, TaskInstance

    app_of(RBAC)
    with _session() as session:
        session.query(TaskInstance).delete()
        session.query(DagRun).delete()
    for dag_id in ('own', 'other'):
        dag = _dag(dag_id)
        dag.create_dagrun(
            run_id='manual__of the proof', execution_date=RUN_DATE, state=state, external_trigger=True
        )
    with _session() as session:
        for instance in session.query(TaskInstance):
            instance.state = state
            instance.start_date = instance.end_date = RUN_DATE


def _session():
    try:
        from airflow.utils.session import create_session
    except ImportError:
        from airflow.utils.db import create_session
    return create_session()


@functools.lru_cache(maxsize=None)
def _dag(dag_id):
    from airflow.models import DagBag

    return DagBag(os.environ['AIRFLOW__CORE__DAGS_FOLDER'], include_examples=False).get_dag(dag_id)


def runs_of(dag_id):
    """The states of the runs of a DAG, and of the tasks."""
    from airflow.models import DagRun, TaskInstance

    with _session() as session:
        runs = [run.state for run in session.query(DagRun).filter(DagRun.dag_id == dag_id)]
        tasks = [task.state for task in session.query(TaskInstance).filter(TaskInstance.dag_id == dag_id)]
    return sorted(map(str, runs)), sorted(map(str, tasks))


UNTOUCHED = (['success'], ['success'])


def row_ids(route, dag_id):
    """How the list of runs or task instances names the rows of a DAG."""
    page = client_of(RBAC).get('/{}/list/'.format(route), query_string={'_flt_3_dag_id': dag_id})
    boxes = re.findall(r'<input[^>]*name="rowid"[^>]*>', page.get_data(as_text=True))
    ids = [html.unescape(re.search(r'(?:id|value)="([^"]*)"', box).group(1)) for box in boxes]
    assert ids, page.get_data(as_text=True)[:500]
    return ids


def list_action(username, route, action, rows):
    """Selects rows of a list and chooses an action."""
    data = {'action': action, 'rowid': rows, 'dag_id': 'own'}
    return client_of(RBAC, username).post('/{}/action_post'.format(route), data=data)
