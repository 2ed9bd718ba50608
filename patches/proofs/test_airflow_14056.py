"""apache/airflow#14056: SLAs of tasks are checked."""
import datetime

import pytest
import scheduling


@pytest.mark.parametrize('sla, asked', [(datetime.timedelta(hours=1), ['own']), (None, [])], ids=['an SLA', 'none'])
def test_the_scheduler_has_an_sla_checked(monkeypatch, sla, asked):
    told = []
    job = scheduling.scheduler()
    job.processor_agent.send_sla_callback_request_to_execute = lambda full_filepath, dag_id: told.append(dag_id)
    monkeypatch.setattr('airflow.settings.MIN_SERIALIZED_DAG_UPDATE_INTERVAL', 0)
    scheduling.run_of(scheduling.stored('own', sla=sla))

    scheduling.looped(job)

    assert told == asked, 'nobody looks whether the task has missed its SLA'
