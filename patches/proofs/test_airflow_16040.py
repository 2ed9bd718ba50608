"""apache/airflow#16040: sensors that import apply_defaults from airflow.sensors.base are loaded."""
FILE = '''
from datetime import datetime
from airflow import DAG
from airflow.sensors.base import BaseSensorOperator, apply_defaults

class Sensor(BaseSensorOperator):
    @apply_defaults
    def __init__(self, *, place, **kwargs):
        super().__init__(**kwargs)
        self.place = place

    def poke(self, context):
        return True

DEFAULTS = {'place': 'here', 'retries': 3}
with DAG('senses', start_date=datetime(2021, 6, 1), schedule_interval=None, default_args=DEFAULTS) as dag:
    Sensor(task_id='task')
'''


def test_their_dags_are_there(tmp_path):
    from airflow.models import DagBag

    (tmp_path / 'senses.py').write_text(FILE)
    bag = DagBag(str(tmp_path), include_examples=False)
    assert not bag.import_errors
    task = bag.dags['senses'].get_task('task')
    assert (task.place, task.retries) == ('here', 3)
