"""apache/airflow#15247: tasks run in pools without a limit."""
import pytest
import scheduling


@pytest.mark.parametrize('slots, state', [(-1, 'queued'), (1, 'queued'), (0, 'scheduled')])
def test_a_task_is_queued_where_its_pool_has_room(slots, state):
    from airflow.models import Pool

    with scheduling.session() as session:
        session.query(Pool).filter(Pool.pool == 'own').delete()
        session.add(Pool(pool='own', slots=slots))
    scheduling.run_of(scheduling.stored('own', pool='own'), state='scheduled', pool='own', pool_slots=1)

    scheduling.looped(scheduling.scheduler())

    assert scheduling.task_of('own').state == state, 'no task of the pool is ever run'


def test_other_pools_have_their_slots_beside_it():
    from airflow.models import Pool

    with scheduling.session() as session:
        session.query(Pool).filter(Pool.pool == 'own').delete()
        session.add(Pool(pool='own', slots=-1))
        session.query(Pool).filter(Pool.pool == 'default_pool').one().slots = 1
    scheduling.run_of(scheduling.stored('other'), state='scheduled', pool='default_pool', pool_slots=1)

    scheduling.looped(scheduling.scheduler())

    assert scheduling.task_of('other').state == 'queued'
