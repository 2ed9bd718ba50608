"""apache/airflow#14476: tasks are queued although there are many of a pool before them that has no slots for those."""
import pytest
import scheduling

# What keeps the others waiting: the slots of their pool, those that each task needs, and that one takes which runs.
HELD = {
    'as it is full': (1, 1, 1),
    'as they need more slots than are free': (3, 3, 1),
    'as they need more slots than it has': (2, 3, None),
    'as more of its slots are taken than it has': (1, 1, 1000),
    'as it does not exist': (None, 1, None),
}


@pytest.mark.parametrize('held', sorted(HELD))
def test_who_waits_for_a_pool_keeps_nobody_waiting_of_another(held):
    slots, each, taken = HELD[held]
    pool('theirs', slots)
    waiting('a', ['a%d' % number for number in range(5)], pool_slots=each, pool='theirs', priority_weight=9)
    if taken:
        change('a', 'a0', state='running', pool_slots=taken)
    # It needs more slots, too, and its pool has them.
    waiting('b', ['task'], pool_slots=3)

    assert look(scheduling.scheduler(), 3) == ['b.task'], 'the same ones are looked at each time'


def test_as_many_are_looked_at_as_there_may_be():
    pool('theirs', 9)
    waiting('a', ['a0', 'a1', 'a2'], pool='theirs')
    waiting('b', ['b0', 'b1', 'b2'])

    assert len(look(scheduling.scheduler(), 4)) == 4
    assert look(scheduling.scheduler(), 9) == ['a.a0', 'a.a1', 'a.a2', 'b.b0', 'b.b1', 'b.b2']


@pytest.mark.parametrize('slots', [1, None])
def test_who_needs_fewer_slots_of_a_pool_has_them(slots):
    from airflow.models import TaskInstance

    if slots is None and not TaskInstance.__table__.c.pool_slots.nullable:
        pytest.skip('the database has a number for each')
    pool('theirs', 2)
    waiting('a', ['a%d' % number for number in range(5)], pool_slots=3, pool='theirs')
    change('a', 'a4', pool_slots=slots)
    waiting('b', ['task'])

    assert look(scheduling.scheduler(), 3) == ['a.a4', 'b.task']


def test_it_is_said_that_a_pool_does_not_exist(monkeypatch):
    pool('theirs', None)
    waiting('a', ['a0'], pool='theirs')
    waiting('b', ['task'])
    job, said = scheduling.scheduler(), []
    monkeypatch.setattr(job.log, 'warning', lambda words, *values: said.append(words % values))

    look(job, 3)

    assert [words for words in said if 'theirs' in words and 'non-existent' in words]


def pool(name, slots):
    """There is a pool with so many slots, or none."""
    from airflow.models import Pool

    with scheduling.session() as session:
        session.query(Pool).filter(Pool.pool == name).delete()
        if slots is not None:
            session.add(Pool(pool=name, slots=slots))


def waiting(dag_id, tasks, **kwargs):
    """A run of a DAG with only these tasks, which wait for the executor."""
    from airflow.models import DagRun, TaskInstance

    dag = scheduling.stored(dag_id, tasks, **kwargs)
    with scheduling.session() as session:
        for model in (TaskInstance, DagRun):
            session.query(model).filter(model.dag_id == dag_id).delete()
    dag.create_dagrun(run_id='manual__1', execution_date=scheduling.DAY, state='running', external_trigger=True)
    scheduling.change(dag_id, state='scheduled')


def change(dag_id, task_id, **values):
    """Writes values to a task."""
    from airflow.models import TaskInstance

    with scheduling.session() as session:
        session.query(TaskInstance).filter_by(dag_id=dag_id, task_id=task_id).update(values)


def look(job, count):
    """The tasks that a scheduler would queue, who looks at so many; it is as if he had not."""
    with scheduling.session() as session:
        found = job._executable_task_instances_to_queued(max_tis=count, session=session)
        names = sorted('%s.%s' % (ti.dag_id, ti.task_id) for ti in found)
        session.expunge_all()
        session.rollback()
        return names
