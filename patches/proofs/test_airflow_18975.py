"""apache/airflow#18975: task instances are locked while what their executor says of them is written.

SQLite locks no rows; what is looked at is the statement that PostgreSQL would be sent.
"""
import pytest
import scheduling


@pytest.fixture(name='statements')
def fixture_statements():
    """The statements that read task instances from now on, as PostgreSQL gets them."""
    from airflow.models import TaskInstance
    from sqlalchemy import event
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.orm import Query

    found = []

    @event.listens_for(Query, 'before_compile')
    def seen(query):
        if [item.get('entity') for item in query.column_descriptions] == [TaskInstance]:
            args = query._for_update_arg
            found.append('' if args is None else 'FOR UPDATE OF {}'.format(args.of and args.of[0].name))

    assert postgresql  # the dialect that locks rows
    yield found
    event.remove(Query, 'before_compile', seen)


def events(job, ti, state, info=None):
    """The scheduler hears of a task from its executor."""
    job.executor.event_buffer[ti.key] = (state, info)
    job._process_executor_events()


def test_rows_are_locked_that_are_about_to_be_written(statements):
    job = scheduling.scheduler()
    ti = scheduling.run_of(scheduling.stored('own'), state='queued')
    del statements[:]

    events(job, ti, 'queued', 'id of the executor')

    assert statements[0].startswith('FOR UPDATE OF task_instance'), 'another scheduler writes it at the same time'


def test_what_the_executor_says_is_written():
    job = scheduling.scheduler()
    ti = scheduling.run_of(scheduling.stored('own'), state='queued')
    events(job, ti, 'queued', 'id of the executor')
    assert scheduling.task_of('own').external_executor_id == 'id of the executor'
    events(job, ti, 'failed')
    assert [request.simple_task_instance.dag_id for request in job.processor_agent.told] == ['own']
