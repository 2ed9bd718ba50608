"""A person in front of Airflow's web pages: logs in as a browser does, and reads what the pages ask for."""

from __future__ import annotations

import contextlib
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests

from astronomer_certified.errors import CommandFailed

_TIMEOUT = 60.0
_TOKEN = re.compile(r'name="_?csrf_token"[^>]*value="([^"]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """Where a user interface has the pages that certifications use, and what its login form calls its token."""

    home: str
    login: str
    token: str
    logs: str


WITH_ROLES = Interface(home="/home", login="/login/", token="csrf_token", logs="/get_logs_with_metadata")  # noqa: S106
# The older one of the two that 1.10 has.
CLASSIC = Interface(
    home="/admin/", login="/admin/airflow/login", token="_csrf_token",  # noqa: S106  the name of a field
    logs="/admin/airflow/get_logs_with_metadata",
)  # fmt: skip


class _InCirclesError(CommandFailed):
    """A page that sends on to another, which sends back."""


class WebSession:
    """The pages of one webserver, with the cookies of one person."""

    def __init__(self, address: str, interface: Interface) -> None:
        """Nobody is logged in; `address` is without a slash at its end."""
        self._address = address
        self._interface = interface
        self._session = requests.Session()
        # Proxies and passwords of whoever runs the certification are none of Airflow's.
        self._session.trust_env = False

    def close(self) -> None:
        """No connection stays open."""
        self._session.close()

    def log_in(self, name: str, password: str) -> bool:
        """Whether the login page took them, and the first page is shown."""
        login = self._interface.login
        token = _TOKEN.search(self._get(login).text)
        form = {"username": name, "password": password, self._interface.token: html.unescape(token[1]) if token else ""}
        try:
            answer = self._ask("POST", login, data=form, headers={"Referer": f"{self._address}{login}"})
        except _InCirclesError:
            return False
        return answer.status_code == 200 and "/login" not in answer.url and self.status(self._interface.home) == "200"

    def status(self, path: str) -> str:
        """What a page says, as its status: `200`, or `login` and `home` where it sends the person there instead.

        `circle` stands for a page that sends on to another, which sends back.
        """
        try:
            answer = self._get(path)
        except _InCirclesError:
            return "circle"
        ended = answer.url.removeprefix(self._address).partition("?")[0].strip("/")
        if not answer.history or ended == path.partition("?")[0].strip("/"):
            return str(answer.status_code)
        return ended.split("/")[0] or "home"

    def log_of(self, dag: str, task: str, date: str, attempt: int) -> str:
        """The log of an attempt, as the page of logs asks for it. Raises `CommandFailed` when it gives none."""
        query = {
            "dag_id": dag, "task_id": task, "execution_date": date, "try_number": str(attempt), "metadata": "null",
        }  # fmt: skip
        answer = self._ask("GET", self._interface.logs, params=query)
        if answer.status_code != 200:
            raise CommandFailed(f"the log of {dag}.{task} answers with {answer.status_code}")
        said = answer.json()["message"]
        # A list of hosts with what each has from Airflow 2 on.
        return said if isinstance(said, str) else "\n".join(str(part) for pair in said for part in pair)

    def json(self, method: str, path: str, user: str = "", **sent: Any) -> tuple[int, Any]:
        """The status and the JSON of an answer of an API; `user` is who asks, with the password of the same name.

        What is `sent` is a `body`, in JSON, or a `token` that says who asks.
        """
        options: dict[str, Any] = {"auth": (user, user)} if user else {}
        if "body" in sent:
            options["json"] = sent["body"]
        if "token" in sent:
            options["headers"] = {"Authorization": f"Bearer {sent['token']}"}
        answer = self._ask(method, path, **options)
        try:
            return answer.status_code, answer.json() if answer.content else None
        except ValueError:
            return answer.status_code, answer.text[:200]

    def _get(self, path: str) -> requests.Response:
        return self._ask("GET", path)

    def _ask(self, method: str, path: str, **options: Any) -> requests.Response:
        try:
            return self._session.request(method, f"{self._address}{path}", timeout=_TIMEOUT, **options)
        except requests.TooManyRedirects as err:
            raise _InCirclesError(f"{method} {path} is sent on for ever") from err
        except requests.RequestException as err:
            raise CommandFailed(f"{method} {path} failed", details=[str(err)]) from err


@contextlib.contextmanager
def session(address: str, interface: Interface = WITH_ROLES) -> Iterator[WebSession]:
    """A person who has just opened the browser."""
    opened = WebSession(address, interface)
    try:
        yield opened
    finally:
        opened.close()
