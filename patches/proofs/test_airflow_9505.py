"""apache/airflow#9505: tasks that take several slots are sent when there is room for them, and do not fail for want of it."""
import pytest
import scheduling


def sent(room, *slots):
    """How many slots the tasks take that the scheduler sends, of those that wait for slots of a pool."""
    from airflow.executors.base_executor import BaseExecutor
    from airflow.jobs.scheduler_job import SchedulerJob
    from airflow.models import DagRun, Pool, TaskInstance
    from airflow.utils.dag_processing import SimpleDag, SimpleDagBag

    names = ['task{}'.format(place) for place in range(len(slots))]
    dag = scheduling.stored('own', tasks=names, pool='own')
    with scheduling.session() as session:
        session.query(Pool).filter(Pool.pool == 'own').delete()
        for model in (DagRun, TaskInstance):
            session.query(model).delete()
        session.add(Pool(pool='own', slots=room))
    dag.create_dagrun(run_id='manual__1', execution_date=scheduling.DAY, state='running', external_trigger=True)
    with scheduling.session() as session:
        for name, taken in zip(names, slots):
            ti = session.query(TaskInstance).filter_by(dag_id='own', task_id=name).one()
            ti.state, ti.pool, ti.pool_slots, ti.priority_weight = 'scheduled', 'own', taken, 100 - names.index(name)
    job = SchedulerJob(executor=BaseExecutor())
    with scheduling.session() as session:
        found = job._find_executable_task_instances(SimpleDagBag([SimpleDag(dag)]), ['scheduled'], session)
        return [slots[names.index(ti.task_id)] for ti in found]


@pytest.mark.parametrize('room, slots, fit', [(3, (2, 2, 2), [2]), (4, (2, 2, 2), [2, 2]), (3, (2, 2, 1), [2, 1])])
def test_no_more_are_sent_than_there_is_room_for(room, slots, fit):
    assert sent(room, *slots) == fit, 'tasks fail as they find no room'


@pytest.mark.parametrize('room, slots, fit', [(3, (1, 1, 1), [1, 1, 1]), (2, (1, 1, 1), [1, 1]), (3, (None, None), [None, None])])
def test_tasks_that_take_one_are_sent_as_ever(room, slots, fit):
    assert sent(room, *slots) == fit
