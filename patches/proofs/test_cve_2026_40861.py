"""CVE-2026-40861: logs are read and written in the log folder only; a link in it, or an odd id, leads nowhere."""
import datetime
import json
import logging
import os
import stat
import threading
import weakref

import pytest
import ui

TEMPLATE = '{{ ti.dag_id }}/{{ ti.task_id }}/{{ try_number }}.log'
OF_RUNS = '{{ ti.dag_id }}/{{ run_id }}/{{ try_number }}.log'
SECRET = 'SECRET of another user'


class Instance:
    """As much of a task instance as handlers of logs ask for."""

    try_number, raw, hostname = 1, False, '127.0.0.1'
    execution_date = datetime.datetime(2021, 6, 1, tzinfo=datetime.timezone.utc)

    def __init__(self, dag_id='dag', task_id='task', run_id='run'):
        self.dag_id, self.task_id, self.run_id = dag_id, task_id, run_id
        self.task = self.log = None

    def get_template_context(self):
        return {'ti': self, 'run_id': self.run_id, 'ts': self.execution_date.isoformat()}


class Machine:
    """A log folder, and what lies elsewhere on the machine."""

    def __init__(self, folder):
        self.logs, self.elsewhere = folder / 'logs', folder / 'elsewhere'
        self.logs.mkdir()
        for place in (self.elsewhere, self.elsewhere / 'task', folder / 'task', folder / 'run'):
            place.mkdir(mode=0o750)
            self.write(place / '1.log', SECRET)
        self.folder = folder
        self.before = self.state()

    @staticmethod
    def write(path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)

    def state(self):
        """Names, modes and contents of all that is outside of the log folder."""
        found = {}
        for path in self.folder.glob('**/*'):
            name = str(path.relative_to(self.folder))
            if name.split(os.sep)[0] not in ('logs', 'dags', 'home'):
                mode = stat.S_IMODE(path.lstat().st_mode)
                found[name] = mode, path.read_text() if path.is_file() else None
        return found

    def assert_untouched(self):
        assert self.state() == self.before, 'the log went elsewhere'

    def link(self, place, target):
        place = self.logs / place
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)


def link_to_file(machine):
    machine.link('dag/task/1.log', machine.elsewhere / '1.log')


def link_to_file_that_is_relative(machine):
    machine.link('dag/task/1.log', '../../../elsewhere/1.log')


def link_to_link(machine):
    machine.link('dag/task/next', machine.elsewhere / '1.log')
    machine.link('dag/task/1.log', 'next')


def link_to_missing_file(machine):
    machine.link('dag/task/1.log', machine.elsewhere / 'missing.log')


def link_to_missing_file_by_its_folder(machine):
    machine.link('dag/task', machine.elsewhere / 'missing')


def link_as_folder_of_the_task(machine):
    machine.link('dag/task', machine.elsewhere)


def link_as_folder_of_the_dag(machine):
    machine.link('dag', machine.elsewhere)


def link_that_goes_up_and_down(machine):
    machine.link('dag', '../elsewhere/../elsewhere')


def link_to_what_only_airflow_may_read_of_the_log_folder(machine):
    machine.write(machine.logs / 'scheduler/latest.log', SECRET)
    machine.link('dag/task/1.log', '../../scheduler/latest.log')


def link_in_a_log_folder_that_is_a_link(machine):
    machine.logs.rename(machine.folder / 'home')
    machine.logs.symlink_to('home')
    machine.link('dag/task/1.log', machine.elsewhere / '1.log')


LINKS = [
    link_to_file,
    link_to_file_that_is_relative,
    link_to_link,
    link_to_missing_file,
    link_to_missing_file_by_its_folder,
    link_as_folder_of_the_task,
    link_as_folder_of_the_dag,
    link_that_goes_up_and_down,
    link_to_what_only_airflow_may_read_of_the_log_folder,
    link_in_a_log_folder_that_is_a_link,
]
WITH_SECRET = [link for link in LINKS if 'missing' not in link.__name__]
IDS = [
    (TEMPLATE, {'dag_id': '..'}),
    (OF_RUNS, {'dag_id': '..'}),
    (OF_RUNS, {'run_id': '../../elsewhere'}),
    (OF_RUNS, {'run_id': 'a/b/../../../../elsewhere/./task'}),
    ('{{ run_id }}/{{ try_number }}.log', {'run_id': '..'}),
    ('{{ run_id }}/{{ try_number }}.log', {'run_id': '/elsewhere'}),
]


@pytest.fixture(name='machine')
def fixture_machine(tmp_path):
    return Machine(tmp_path)


@pytest.fixture(name='handler')
def fixture_handler(machine, monkeypatch):
    """The handler of Airflow that writes logs of tasks and reads them; no log server answers it."""
    from airflow.utils.log.file_task_handler import FileTaskHandler

    monkeypatch.setenv('AIRFLOW__CELERY__WORKER_LOG_SERVER_PORT', '1')
    return lambda template=TEMPLATE, folder=machine.logs, kind=FileTaskHandler: kind(str(folder), template)


@pytest.fixture(name='log_server')
def fixture_log_server(machine, monkeypatch):
    """The port of the log server of a machine."""
    import flask
    from werkzeug.serving import make_server

    try:
        from airflow.utils.serve_logs import serve_logs
    except ImportError:  # 1.10 has a command for it, which makes an entry in the audit log
        from airflow.bin.cli import serve_logs as command

        def serve_logs():
            return command.__wrapped__(None)

    for section in ('CORE', 'LOGGING'):
        monkeypatch.setenv('AIRFLOW__{}__BASE_LOG_FOLDER'.format(section), str(machine.logs))
    apps = []
    monkeypatch.setattr(flask.Flask, 'run', lambda app, **_: apps.append(app))
    serve_logs()
    server = make_server('127.0.0.1', 0, apps[0])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture(name='fetch')
def fixture_fetch(log_server, handler, machine, monkeypatch):
    """Reads a log the way the webserver does when the task ran on that machine."""

    def fetch(instance, template=TEMPLATE):
        reader = handler(template, folder=machine.folder / 'home' / 'of the webserver')
        monkeypatch.setenv('AIRFLOW__CELERY__WORKER_LOG_SERVER_PORT', str(log_server))
        return text_of(reader, instance)

    return fetch


def text_of(handler, instance):
    return str(handler.read(instance, 1)[0])


def write(handler, instance, text='done'):
    """Writes to a log of a task, or is refused."""
    record = logging.LogRecord('task', logging.INFO, __file__, 1, text, None, None)
    try:
        handler.set_context(instance)
        handler.emit(record)
    except OSError as error:
        print('refused:', error)
    finally:
        logging.shutdown([weakref.ref(handler)])


def instance_of(machine, values):
    """An instance with such ids; one that begins with a slash means what is elsewhere on this machine."""
    return Instance(
        **{name: str(machine.folder) + value if value[0] == '/' else value for name, value in values.items()}
    )


# Reading


@pytest.mark.parametrize('link', WITH_SECRET)
def test_a_link_is_not_read(machine, handler, link):
    link(machine)

    assert SECRET not in text_of(handler(), Instance()), 'the reader left the log folder'


@pytest.mark.parametrize('template, values', IDS, ids=str)
def test_odd_ids_do_not_make_the_reader_leave_the_log_folder(machine, handler, template, values):
    (machine.logs / 'dag/a/b').mkdir(parents=True)

    assert SECRET not in text_of(handler(template), instance_of(machine, values))


def test_the_id_of_a_run_does_not_lead_to_the_log_of_another_dag(machine, handler):
    machine.write(machine.logs / 'other/run/1.log', SECRET)
    machine.write(machine.logs / 'dag/run/1.log', 'own')

    assert SECRET not in text_of(handler(OF_RUNS), Instance(run_id='../other/run'))


@pytest.mark.parametrize('place', ['dag/task/1.log', 'dag/task', 'dag'])
def test_a_link_does_not_tell_what_exists_elsewhere(machine, handler, place):
    answers = set()
    for target in ('elsewhere', 'missing'):
        target = machine.folder / target
        machine.link(place, target / '1.log' if place.endswith('.log') else target)
        answers.add(text_of(handler(), Instance()))
        (machine.logs / place).unlink()

    assert len(answers) == 1, 'the reader tells whether a file exists elsewhere'


@pytest.mark.parametrize('link', WITH_SECRET)
def test_the_log_server_sends_nothing_that_a_link_leads_to(machine, fetch, link):
    link(machine)

    assert SECRET not in fetch(Instance()), 'the log server left the log folder'


@pytest.mark.parametrize('use', [text_of, write], ids=['reader', 'writer'])
def test_nobody_waits_for_a_pipe_that_is_not_a_log(machine, handler, use):
    pipe = machine.logs / 'dag/task/1.log'
    pipe.parent.mkdir(parents=True)
    os.mkfifo(str(pipe))
    waiting = threading.Thread(target=use, args=(handler(), Instance()), daemon=True)
    waiting.start()
    waiting.join(5)
    still = waiting.is_alive()
    if still:
        os.close(os.open(str(pipe), os.O_RDWR))
        waiting.join(5)

    assert not still, 'whoever opens this log waits for ever'


def test_a_link_that_comes_and_goes_is_not_read(machine, handler):
    """So that nothing may change between the look at a path and the opening of it."""
    log, done = machine.logs / 'dag/task/1.log', threading.Event()
    machine.write(log, 'own')

    def change():
        other = machine.logs / 'other'
        while not done.is_set():
            other.symlink_to(machine.elsewhere / '1.log')
            other.rename(log)
            machine.write(other, 'own')
            other.rename(log)

    changing = threading.Thread(target=change, daemon=True)
    changing.start()
    try:
        texts = {text for _ in range(300) for text in ('own', SECRET) if text in text_of(handler(), Instance())}
    finally:
        done.set()
        changing.join()

    assert SECRET not in texts, 'the reader opened something else than what it had looked at'


@pytest.mark.parametrize('name', ui.UIS)
@pytest.mark.parametrize('format', ['json', 'file'])
def test_the_page_of_a_log_shows_a_log_and_follows_no_link(machine, name, format):
    client = ui.client_of(name)
    ui.reset_runs()
    handler = next(handler for handler in logging.getLogger('airflow.task').handlers if handler.name == 'task')
    folder = os.path.join(handler.local_base, 'own', 'task', ui.RUN_DATE.isoformat())
    os.makedirs(folder)
    values = dict(dag_id='own', task_id='task', execution_date=ui.RUN_DATE.isoformat(), try_number=1)
    values.update(metadata=json.dumps({}), format=format)
    log = os.path.join(folder, '1.log')

    def show():
        response = client.get(ui.url_of(name, 'get_logs_with_metadata'), query_string=values)
        assert response.status_code == 200
        return response.get_data(as_text=True)

    try:
        with open(log, 'w') as file:
            file.write('done')
        ordinary = show()
        os.remove(log)
        os.symlink(str(machine.elsewhere / '1.log'), log)
        linked = show()
    finally:
        os.remove(log)
        os.rmdir(folder)

    assert 'done' in ordinary
    assert SECRET not in linked, 'the page shows a file that is no log'


# Writing


@pytest.mark.parametrize('link', LINKS)
def test_nothing_is_written_through_a_link(machine, handler, link):
    link(machine)
    inside = machine.logs / 'scheduler/latest.log'

    write(handler(), Instance())

    machine.assert_untouched()
    assert not inside.exists() or inside.read_text() == SECRET
    assert not inside.exists() or stat.S_IMODE(inside.stat().st_mode) == 0o600


@pytest.mark.parametrize('template, values', IDS, ids=str)
def test_odd_ids_do_not_make_a_log_elsewhere(machine, handler, template, values):
    write(handler(template), instance_of(machine, values))

    machine.assert_untouched()


def test_a_link_that_comes_later_is_not_written_through(machine, handler):
    """The file is opened once more after it was closed, as by handlers that mark the end of a log."""
    writer, log = handler(), machine.logs / 'dag/task/1.log'
    writer.set_context(Instance())
    writer.handler.close()
    log.unlink()
    log.symlink_to(machine.elsewhere / '1.log')
    try:
        writer.emit(logging.LogRecord('task', logging.INFO, __file__, 1, 'done', None, None))
        writer.handler.stream = writer.handler._open()  # pylint: disable=protected-access
    except OSError as error:
        print('refused:', error)
    finally:
        logging.shutdown([weakref.ref(writer)])

    machine.assert_untouched()


# Uploading


def uploading_handler():
    """What handlers of remote logs have in common."""
    from airflow.utils.log.file_task_handler import FileTaskHandler

    class Uploading(FileTaskHandler):
        uploaded = ''

        def set_context(self, instance):
            super().set_context(instance)
            self.path = os.path.join(self.local_base, self._render_filename(instance, instance.try_number))

        def close(self):
            super().close()
            if os.path.exists(self.path):
                with open(self.path) as log:
                    self.uploaded += log.read()

    return Uploading


def handler_of(name):
    """A handler of Airflow or of a provider, for which uploading is no more than keeping what it would upload."""
    modules = {
        's3': ('amazon.aws', 'S3TaskHandler'),
        'gcs': ('google.cloud', 'GCSTaskHandler'),
        'wasb': ('microsoft.azure', 'WasbTaskHandler'),
    }
    provider, kind = modules[name]
    errors = []
    for module in ('airflow.utils.log.{}_task_handler', 'airflow.providers.' + provider + '.log.{}_task_handler'):
        module = module.format(name)
        try:
            base = getattr(__import__(module, fromlist=[kind]), kind)
            break
        except ImportError as error:
            errors.append(error)
    else:
        pytest.skip('not installed: {}'.format(errors))

    class Uploading(base):
        uploaded, hook, client = '', None, None

        def __init__(self, folder, template):
            rest = {'wasb': ('container', template, False)}.get(name, (template,))
            super().__init__(folder, 'remote', *rest)

        def keep(self, log, *_, **__):
            self.uploaded += log

        s3_write = gcs_write = wasb_write = keep

    return Uploading


@pytest.fixture(name='uploading', params=['inherited', 's3', 'gcs', 'wasb'])
def fixture_uploading(request):
    return uploading_handler() if request.param == 'inherited' else handler_of(request.param)


@pytest.mark.parametrize('place', ['dag/task/1.log', 'dag/task', 'dag'])
def test_a_link_that_a_task_leaves_behind_is_not_uploaded(machine, handler, uploading, place):
    uploader = handler(kind=uploading)
    uploader.set_context(Instance())
    (machine.logs / 'dag').rename(machine.logs / 'moved')
    machine.link(place, machine.elsewhere / '1.log' if place.endswith('.log') else machine.elsewhere)
    logging.shutdown([weakref.ref(uploader)])

    assert SECRET not in uploader.uploaded, 'a file that is no log was uploaded'


def test_an_ordinary_log_is_uploaded(handler, uploading):
    uploader = handler(kind=uploading)
    write(uploader, Instance())

    assert 'done' in uploader.uploaded


# The processor of DAG files


@pytest.fixture(name='process')
def fixture_process(machine, monkeypatch):
    """Writes to the log of a DAG file."""
    from airflow import settings
    from airflow.utils.log.file_processor_handler import FileProcessorHandler

    dags = machine.folder / 'dags'
    monkeypatch.setattr(settings, 'DAGS_FOLDER', str(dags))

    def process(path='team/dag.py'):
        handler = FileProcessorHandler(str(machine.logs), '{{ filename }}.log')
        try:
            handler.set_context(str(dags / path))
            handler.emit(logging.LogRecord('processor', logging.INFO, __file__, 1, 'done', None, None))
        except OSError as error:
            print('refused:', error)
        finally:
            handler.close()

    return process


def today():
    return datetime.datetime.utcnow().strftime('%Y-%m-%d')


@pytest.mark.parametrize(
    'place, target',
    [
        ('{}/team/dag.py.log', '1.log'),
        ('{}/team/dag.py.log', 'missing.log'),
        ('{}/team', '.'),
        ('{}', '.'),
    ],
)
def test_the_log_of_a_dag_file_is_not_written_through_a_link(machine, process, place, target):
    machine.link(place.format(today()), machine.elsewhere / target)

    process()

    machine.assert_untouched()


def test_the_log_of_a_file_elsewhere_is_in_the_log_folder_all_the_same(machine, process):
    process('../../../../../../../elsewhere/dag.py')
    process(str(machine.elsewhere / 'task' / 'dag.py'))

    machine.assert_untouched()
    texts = [path.read_text() for path in (machine.logs / today()).glob('**/*.log')]
    assert len(texts) == 2 and all('done' in text for text in texts)


def test_the_log_of_a_dag_file_is_written_and_the_latest_ones_are_linked(machine, process):
    process()
    process()

    assert (machine.logs / today() / 'team/dag.py.log').read_text().count('done') == 2
    assert os.path.samefile(str(machine.logs / 'latest'), str(machine.logs / today()))


def test_a_link_to_the_latest_ones_that_leads_elsewhere_is_set_right(machine, process):
    machine.link('latest', machine.elsewhere)

    process()

    assert os.path.samefile(str(machine.logs / 'latest'), str(machine.logs / today()))
    assert 'done' in (machine.logs / 'latest/team/dag.py.log').read_text()
    machine.assert_untouched()


# What goes on as before


@pytest.fixture(name='folder', params=['folder', 'link', 'below a link', 'missing', 'relative'])
def fixture_folder(request, machine, monkeypatch):
    """Log folders as they are configured."""
    home = machine.folder / 'home'
    (home / 'logs').mkdir(parents=True)
    link = machine.folder / 'dags'
    if request.param == 'link':
        link.symlink_to(home / 'logs')
        return link
    if request.param == 'below a link':
        link.symlink_to('home')
        return link / 'logs'
    if request.param == 'relative':
        monkeypatch.chdir(str(home))
        return 'logs'
    return home / ('not/yet' if request.param == 'missing' else 'logs')


def test_logs_are_written_and_read(handler, folder):
    for text in ('first', 'second'):
        write(handler(folder=folder), Instance(), text)
    text = text_of(handler(folder=folder), Instance())

    assert 'first' in text and 'second' in text


@pytest.mark.parametrize(
    'template, values',
    [
        (OF_RUNS, {'run_id': 'manual__2021-06-01T00:00:00+00:00'}),
        (OF_RUNS, {'run_id': 'team/nightly'}),
        (TEMPLATE, {'dag_id': '...', 'task_id': 'a..b.'}),
        ('./{{ ti.dag_id }}//{{ try_number }}.log', {}),
        ('{dag_id}/{task_id}/{execution_date}/{try_number}.log', {}),
        ('{{ ti.dag_id }}.log', {}),
    ],
    ids=str,
)
def test_logs_with_other_ids_and_templates_are_written_and_read(handler, fetch, template, values):
    write(handler(template), Instance(**values))

    assert 'done' in text_of(handler(template), Instance(**values))
    if '//' not in template:
        assert 'done' in fetch(Instance(**values), template)


def test_the_log_server_sends_a_log(handler, fetch):
    write(handler(), Instance(), 'done \N{SNOWMAN}' + ' and more' * 100000)

    assert 'done' in fetch(Instance()) and fetch(Instance()).count('and more') == 100000


def test_the_log_server_serves_a_log_folder_that_is_a_link(machine, handler, fetch):
    machine.logs.rename(machine.folder / 'home')
    machine.logs.symlink_to('home')
    write(handler(), Instance())

    assert 'done' in fetch(Instance())


def test_a_log_that_is_not_there_is_asked_of_the_worker(handler):
    assert 'Fetching from' in text_of(handler(), Instance())


def test_nobody_needs_the_right_to_list_a_folder_of_logs(machine, handler):
    """Only root may pass without any right: then nothing is shown here."""
    write(handler(), Instance())
    folders = [machine.logs / 'dag', machine.logs]
    try:
        for folder in folders:
            folder.chmod(0o311)
        text = text_of(handler(), Instance())
        write(handler(), Instance(), 'once more')
    finally:
        for folder in folders:
            folder.chmod(0o755)

    assert 'done' in text and 'once more' in text_of(handler(), Instance())
