"""Connections and the forms that edit them, for the proofs; beside `ui`, whose applications they share."""
import re
from html.parser import HTMLParser

import ui

# There in all versions, in 2.x as the core depends on its provider or the proofs' environment has it.
TYPE = 'postgres'


def store(conn_id, extra=None, conn_type=TYPE, **values):
    """This connection is there, as such, whatever was there."""
    from airflow.models import Connection

    ui.app_of(ui.RBAC)
    with ui._session() as session:
        session.query(Connection).filter(Connection.conn_id == conn_id).delete()
        connection = Connection(conn_id=conn_id, conn_type=conn_type, **values)
        connection.extra = extra
        session.add(connection)


def stored(conn_id):
    """What is stored of a connection: (extra, password, host); None if it is not there."""
    from airflow.models import Connection

    with ui._session() as session:
        connection = session.query(Connection).filter(Connection.conn_id == conn_id).first()
        return connection and (connection.extra, connection.password, connection.host)


def key_of(conn_id):
    from airflow.models import Connection

    with ui._session() as session:
        return session.query(Connection.id).filter(Connection.conn_id == conn_id).scalar()


def edit_url(interface, conn_id):
    """Where the form is that edits a connection."""
    if interface == ui.RBAC:
        return '/connection/edit/{}'.format(key_of(conn_id))
    return '/admin/connection/edit/?id={}'.format(key_of(conn_id))


def edit_page(interface, conn_id):
    """The text of the page with that form, or of the error that there is instead."""
    return ui.client_of(interface).get(edit_url(interface, conn_id)).get_data(as_text=True)


def save(interface, conn_id, **changes):
    """A user opens the form, changes these fields, and saves it; what he is shown then. Nothing without such fields."""
    fields = Form(edit_page(interface, conn_id)).values
    if not fields or set(changes).difference(fields):
        return ''
    fields.update(changes)
    response = ui.client_of(interface).post(edit_url(interface, conn_id), data=fields, follow_redirects=True)
    return response.get_data(as_text=True)


class Form(HTMLParser):
    """The values of the form of a page, as a browser sends them: that with the field conn_id."""

    def __init__(self, text):
        super().__init__()
        self.values = {}
        self._select = self._area = None
        for form in re.findall('<form.*?</form>', text, re.DOTALL):
            if 'name="conn_id"' in form:
                self.feed(form)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == 'input' and values.get('name') and values.get('type') not in ('submit', 'checkbox'):
            self.values[values['name']] = values.get('value') or ''
        elif tag == 'input' and values.get('name') and 'checked' in values:
            self.values[values['name']] = values.get('value') or 'on'
        elif tag == 'textarea':
            self._area = values['name']
            self.values[self._area] = ''
        elif tag == 'select':
            self._select = values['name']
        elif tag == 'option' and self._select and ('selected' in values or self._select not in self.values):
            self.values[self._select] = values.get('value') or ''

    def handle_data(self, data):
        if self._area:
            self.values[self._area] += data

    def handle_endtag(self, tag):
        if tag == 'textarea':
            # Browsers leave out the first line end, and send others as of old.
            value = re.sub('^\r?\n', '', self.values[self._area])
            self.values[self._area] = re.sub('\r?\n', '\r\n', value)
            self._area = None
        if tag == 'select':
            self._select = None
