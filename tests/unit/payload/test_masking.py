"""What is shown of settings has no secrets, whatever form they have; in doubt nothing is shown."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from payload_fixtures import Installed

from astronomer_certified.payload import masking

SHOWN = [
    ("AIRFLOW__CORE__FERNET_KEY", "abc", "***"),
    ("AIRFLOW__CORE__FERNET_KEY", "", ""),
    ("AIRFLOW__CORE__SQL_ALCHEMY_CONN", "postgresql://a:p%40ss@db/airflow", "postgresql://***@db/airflow"),
    ("AIRFLOW__CORE__SQL_ALCHEMY_CONN", "postgresql://air@srv:hidden@host/db", "postgresql://***@host/db"),
    ("AIRFLOW__CORE__SQL_ALCHEMY_CONN", "postgresql://a:hid den@host/db", "postgresql://***@host/db"),
    ("AIRFLOW__CORE__SQL_ALCHEMY_CONN", "sqlite:////srv/airflow.db", "sqlite:////srv/airflow.db"),
    ("AIRFLOW__CELERY__BROKER_URL", "redis://:pw@redis:6379/0", "redis://***@redis:6379/0"),
    ("AIRFLOW__CELERY__BROKER_URL", "redis://redis:6379/0", "redis://redis:6379/0"),
    ("AIRFLOW__CELERY__FLOWER_BASIC_AUTH", "user:hidden", "***"),
    ("AIRFLOW__SENTRY__SENTRY_DSN", "https://hidden@sentry/1", "***"),
    ("AIRFLOW__SECRETS__BACKEND_KWARGS", '{"a": 1}', "***"),
    ("AIRFLOW_CONN_DB", "anything", "***"),
    ("AIRFLOW__CORE__FERNET_KEY_CMD", "cat /hidden", "***"),
    ("MY_token", "abc", "***"),
    ("MY_SIGNING_KEY", "abc", "***"),
    ("AIRFLOW_HOME", "/usr/local/airflow", "/usr/local/airflow"),
    ("AIRFLOW__API__AUTH_BACKEND", "airflow.api.auth.backend.basic_auth", "airflow.api.auth.backend.basic_auth"),
    ("AIRFLOW__WEBSERVER__BASE_URL", "http://localhost:8080", "http://localhost:8080"),
    ("ODD", "postgresql://db/a?user=x&password=p%3D&sslmode=require",
     "postgresql://db/a?user=x&password=***&sslmode=require"),
    ("ODD", "mysql://u:p@ss/w:d@host/db", "mysql://***@host/db"),
    ("ODD", "git+https://hidden@git/dags", "git+https://***@git/dags"),
    ("ODD", "sentinel://:a@x:1;sentinel://:b@y:1", "sentinel://***@y:1"),
    ("ODD", "user:hidden@host", "***@host"),
    ("ODD", "google://?extra__keyfile_dict=hidden%7B&scope=a", "google://?extra__keyfile_dict=***&scope=a"),
    ("ODD", "http://otel/?Authorization=Bearer%20hidden", "http://otel/?Authorization=***"),
    ("ODD", "Authorization: Bearer hidden", "Authorization: ***"),
    ("ODD", "x Bearer hidden", "x Bearer ***"),
    ("ODD", "host=db password='hid den' user=x", "host=db password=***"),
    ("ODD", "[Errno 111] no route to redis://:hidden@r/0", "[Errno 111] no route to redis://***@r/0"),
    ("ODD", "KeyError: 'broker'", "KeyError: 'broker'"),
    ("OPTIONS", '{"master_name": "m", "sentinel_kwargs": {"password": "hidden"}}',
     '{"master_name": "m", "sentinel_kwargs": "***"}'),
    ("OPTIONS", '{"a": {"password": "hidden"}, "b": ["redis://:hidden@r"]}',
     '{"a": {"password": "***"}, "b": ["redis://***@r"]}'),
    ("OPTIONS", '{"a":{"password":""},"b":1}', '{"a":{"password":""},"b":1}'),
    ("OPTIONS", '{"password": "hidden", }', '{"password": ***'),
    ("OPTIONS", "told {'db_password': 'hid\\'den'} of it", "told {'db_password': ***"),
    ("OPTIONS", "[" * 200000, "***"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "shown"), SHOWN, ids=[f"{name} {value[:40]}" for name, value, _ in SHOWN])
def test_a_secret_is_not_shown(name: str, value: str, shown: str) -> None:
    # An interpreter that reads deeper shows what has no secret.
    assert masking.shown(name, value) in ((shown, value) if value.startswith("[[") else (shown,))


@pytest.mark.parametrize("piece", ["a", "KEY", "a:", "//", "@//", "'"])
def test_a_value_of_any_length_is_shown_soon(piece: str) -> None:
    start = time.process_time()
    masking.shown("", piece * (50000 // len(piece)))
    assert time.process_time() - start < 20


def test_env_shows_no_secret_of_any_form(installed: Installed, tmp_path: Path) -> None:
    path = tmp_path / "file"
    options = '"{\\"sentinel_kwargs\\": {\\"password\\": \\"hidden\\"}}"'
    path.write_text(
        "AIRFLOW__CORE__SQL_ALCHEMY_CONN=postgresql://air@srv:hidden@host/db\n"
        "AIRFLOW__CELERY__FLOWER_BASIC_AUTH=user:hidden\n"
        "SENTRY_DSN=https://hidden@sentry/1\n"
        f"OPTIONS={options}\n"
    )
    assert "hidden" not in installed.run("env", "--file", path, home=tmp_path).stdout
