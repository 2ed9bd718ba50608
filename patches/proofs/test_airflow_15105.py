"""apache/airflow#15105: the metric is sent that says how late a run is."""
import datetime

import pytest
import scheduling


@pytest.fixture(name='sent')
def fixture_sent(monkeypatch):
    """The metrics about delays of runs that a scheduler sends, who makes the run of a DAG."""
    from airflow.jobs import scheduler_job
    from airflow.models import DagModel, DagRun, TaskInstance

    metrics = {}

    def sent(schedule_interval):
        dag = scheduling.stored('own', schedule_interval=schedule_interval)
        with scheduling.session() as session:
            for model in (DagRun, TaskInstance):
                session.query(model).delete()
            model = session.query(DagModel).filter_by(dag_id=dag.dag_id).one()
            model.next_dagrun = model.next_dagrun_create_after = scheduling.DAY
        monkeypatch.setattr(scheduler_job.Stats, 'timing', metrics.__setitem__, raising=False)
        said = scheduling.looped(scheduling.scheduler())
        assert not isinstance(said, Exception), said
        with scheduling.session() as session:
            assert session.query(DagRun).filter_by(dag_id='own', execution_date=scheduling.DAY).count() == 1
        return {name: value for name, value in metrics.items() if name.startswith('dagrun.schedule_delay')}

    return sent


def test_it_says_how_long_after_its_time_a_run_is_made(sent):
    delays = sent('@daily')
    assert list(delays) == ['dagrun.schedule_delay.own'], 'nobody knows how late runs are'
    since = datetime.datetime.now(datetime.timezone.utc) - scheduling.DAY - datetime.timedelta(days=1)
    assert abs(delays['dagrun.schedule_delay.own'] - since) < datetime.timedelta(minutes=1)


def test_a_run_without_a_next_one_has_no_delay(sent):
    assert sent('@once') == {}
