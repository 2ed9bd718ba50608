"""apache/airflow#15426: the scheduler counts the slots of a pool that tasks take, and not the tasks."""
import pytest
import scheduling


def states(room, running, waiting):
    """What becomes of a task that waits for slots of a pool, where another takes some."""
    from airflow.models import Pool

    with scheduling.session() as session:
        session.query(Pool).filter(Pool.pool == 'own').delete()
        session.add(Pool(pool='own', slots=room))
    scheduling.run_of(scheduling.stored('other', pool='own'), state='running', pool='own', pool_slots=running)
    scheduling.run_of(scheduling.stored('own', pool='own'), state='scheduled', pool='own', pool_slots=waiting)
    scheduling.looped(scheduling.scheduler())
    return scheduling.task_of('own').state


@pytest.mark.parametrize('room, running, waiting', [(3, 3, 1), (3, 2, 2), (5, 3, 3)])
def test_a_task_waits_until_there_is_room(room, running, waiting):
    assert states(room, running, waiting) == 'scheduled', 'the pool is filled beyond its size'


@pytest.mark.parametrize('room, running, waiting', [(3, 1, 1), (3, 2, 1), (6, 3, 3), (-1, 9, 9)])
def test_a_task_is_queued_where_there_is_room(room, running, waiting):
    assert states(room, running, waiting) == 'queued'


def test_what_is_told_of_a_pool_are_its_slots():
    from airflow.models import Pool

    states(6, 3, 2)
    assert Pool.slots_stats()['own'] == {'total': 6, 'running': 3, 'queued': 2, 'open': 1}, 'tasks are counted'
