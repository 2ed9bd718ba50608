"""apache/airflow#14406: a task without a number of slots, as early 1.10 has made them, is queued as one that takes one."""
import pytest
import scheduling


@pytest.mark.parametrize('slots', [None, 1])
@pytest.mark.parametrize('room, state', [(1, 'queued'), (2, 'queued'), (0, 'scheduled')])
def test_a_task_is_queued_where_there_is_room(slots, room, state):
    from airflow.models import Pool

    with scheduling.session() as session:
        session.query(Pool).filter(Pool.pool == 'own').delete()
        session.add(Pool(pool='own', slots=room))
    scheduling.run_of(scheduling.stored('own', pool='own'), state='scheduled', pool='own', pool_slots=slots)

    said = scheduling.looped(scheduling.scheduler())

    assert not isinstance(said, Exception), 'the scheduler ends: {!r}'.format(said)
    assert scheduling.task_of('own').state == state
