"""apache/airflow#14031: no rows are locked on databases that would lock those of other tables as well."""
import pytest
import scheduling


@pytest.mark.parametrize(
    'name, knows, locks', [('mysql', False, False), ('mysql', True, True), ('postgresql', False, True), ('sqlite', False, True)]
)
def test_rows_are_locked_where_only_they_are(monkeypatch, name, knows, locks):
    from airflow import settings
    from airflow.models import TaskInstance
    from airflow.utils.sqlalchemy import with_row_locks

    with scheduling.session() as session:
        query = session.query(TaskInstance)
        monkeypatch.setattr(settings.engine.dialect, 'name', name)
        monkeypatch.setattr(settings.engine.dialect, 'supports_for_update_of', knows, raising=False)
        locked = with_row_locks(query, of=TaskInstance)
        monkeypatch.undo()

    assert (locked._for_update_arg is not None) == locks, 'scheduler and tasks wait for each other'


def test_a_scheduler_goes_through_all_runs():
    scheduling.run_of(scheduling.stored('own'), state='scheduled', pool='default_pool', pool_slots=1)
    assert scheduling.looped(scheduling.scheduler()) == 1
    assert scheduling.task_of('own').state == 'queued'
