"""The Airflow plugin: the release in the footer of the website, and a page with its patches, vulnerabilities and pins.

Airflow imports this module, and nothing else of the payload does: it is the only one that imports Airflow. What a
website needs is imported when there is one, as every `airflow` command of 1.10 loads all plugins.
"""

import logging
import re
import sys

from airflow.plugins_manager import AirflowPlugin
from flask import Blueprint

from . import constraints_path, installed, record
from .refusals import Refused

# Of the page in the menu and in permissions: the same for all releases, or roles would have to be granted it anew.
NAME = "Astronomer Certified"
_PERMISSION = "can_read"
_URL = "/astronomer-certified"
_MARK = '<span id="astronomer-certified">{}</span>'
# Behind what it goes, the first that a page has. The footer of 2.x has two lines and no room for a third, so the mark
# is the beginning of its first one; elsewhere it is a row of its own at the end of the page.
_PLACES = (
    (re.compile(rb'<footer class="footer">\s*<div class="container">\s*<div>'), "{} &middot; "),
    (re.compile(rb"(?=</body>)"), '<div class="container text-muted">{}</div>'),
)

_log = logging.getLogger(__name__)


def _register(state):
    """The website has page and mark. What goes wrong is logged: Airflow is worth more without them than not at all."""
    app, mark = state.app, _title()
    try:
        link = _in_appbuilder(app, mark) if getattr(app, "appbuilder", None) else _in_classic(app, mark)
        app.after_request(_marking(mark, link))
    except Exception:
        _log.exception("%s is not shown on the website", NAME)


def _title():
    """What the mark says."""
    try:
        return "{} {}".format(NAME, record.read().tag)
    except Refused:
        return NAME


def _in_appbuilder(app, mark):
    """The page in the website of 2.x, and in that of 1.10 with rbac. Returns what gives its address, or "" to who may
    not see it, and None to strangers."""
    from flask_appbuilder import BaseView, expose, has_access
    from flask_login import current_user

    class CertifiedView(BaseView):
        route_base = _URL
        default_view = "show"
        class_permission_name = NAME
        method_permission_name = {"show": "read"}  # noqa: RUF012 - as the framework has it
        # With the menu's: what is not among them is taken from all roles whenever a process of the website starts, and
        # two of them that start at once are in each other's way.
        base_permissions = [_PERMISSION, "menu_access"]  # noqa: RUF012 - as the framework has it

        @expose("/")
        @has_access
        def show(self):
            return self.render_template("astronomer_certified/appbuilder.html", **_shown())

    builder = app.appbuilder
    # The menu of 1.10 has "About" for this, which is gone in 2.x.
    category = "About" if any(item.name == "About" for item in builder.menu.menu) else "Docs"
    builder.add_view(CertifiedView, NAME, label=mark, category=category)

    def link():
        if not getattr(current_user, "is_authenticated", False):
            return None
        return _address("CertifiedView.show") if builder.sm.has_access(_PERMISSION, NAME) else ""

    return link


def _in_classic(app, mark):
    """The page in the classic website of 1.10. Returns as `_in_appbuilder` does."""
    from airflow.www import utils
    from flask_admin import BaseView, expose

    class CertifiedView(utils.SuperUserMixin, BaseView):
        @expose("/")
        def show(self):
            return self.render("astronomer_certified/classic.html", **_shown())

    view = CertifiedView(name=mark, category="About", endpoint="certified_page", url="/admin" + _URL)
    app.extensions["admin"][0].add_view(view)

    def link():
        if not utils.LoginMixin().is_accessible():
            return None
        return _address("certified_page.show") if view.is_accessible() else ""

    return link


def _address(endpoint):
    from flask import url_for

    # With the prefix under which the website is, as all its links.
    return url_for(endpoint)


def _marking(mark, link):
    """What adds the mark to a page that it is given."""
    from flask import escape

    def marked(response):
        if not _is_page(response):
            return response
        try:
            address = link()
            if address is None:
                return response
            said = '<a href="{}">{}</a>'.format(escape(address), escape(mark)) if address else escape(mark)
            response.set_data(_marked(response.get_data(), _MARK.format(said)))
        except Exception:
            _log.exception("%s is not shown on a page", NAME)
        return response

    return marked


def _marked(content, mark):
    """The bytes of a page with the mark in its place. One that has no end, as a part of a page, stays as it is."""
    for place, row in _PLACES:
        ends = [found.end() for found in place.finditer(content)]
        if ends:
            return content[: ends[-1]] + row.format(mark).encode("utf-8") + content[ends[-1] :]
    return content


def _is_page(response):
    """Whether it is a whole page, for people, that is not compressed or sent piece by piece."""
    return (
        response.mimetype == "text/html"
        and response.status_code not in (301, 302, 303, 304, 307, 308)
        and not response.direct_passthrough
        and not response.is_streamed
        and "Content-Encoding" not in response.headers
        and "ETag" not in response.headers
    )


def _shown():
    """What the templates of the page show."""
    try:
        found, problem = record.read(), ""
    except Refused as err:
        # The path says where files are on this machine, which is for those who can look at the log.
        _log.error("%s", err)
        found, problem = None, "What is in this release is not known: its release.json is missing or broken."
    return {
        "found": found,
        "problem": problem,
        "counted": record.counted(found.vulnerabilities) if found else "",
        "pins": sorted(_pins()),
    }


def _pins():
    """What is pinned and installed, each `(name, pinned, installed)`."""
    try:
        with open(constraints_path("{}.{}".format(*sys.version_info)), encoding="utf-8") as stream:
            lines = [line.strip().split("==") for line in stream if "==" in line and not line.startswith("#")]
    except (LookupError, OSError, Refused):
        return
    there = installed.distributions()
    for name, version in lines:
        one = there.get(installed.normal(name))
        if one is not None:
            yield name, version, one.version


class Mark(AirflowPlugin):
    """What Airflow finds by the entry point."""

    name = "astronomer_certified"
    _blueprint = Blueprint("astronomer_certified", __name__, template_folder="templates")
    _blueprint.record(_register)
    flask_blueprints = [_blueprint]  # noqa: RUF012 - as Airflow has it
