"""The DAGs of the levels: each task leaves a line behind, so that a certification sees how often it really ran.

Airflow reads this file, in the environment that is certified: any Airflow from 1.10 on, any Python from 3.6 on.
"""

import os
import time
from datetime import datetime, timedelta

from airflow import DAG
from airflow.models import Variable
from airflow.operators.bash_operator import BashOperator
from airflow.operators.python_operator import PythonOperator

RAN = os.environ["CERTIFIED_RAN"]
TASKS = int(os.environ.get("CERTIFIED_TASKS", "200"))
DEFAULTS = {"owner": "certified", "start_date": datetime(2021, 1, 1), "retries": 3, "retry_delay": timedelta(seconds=1)}


def leave_a_line(**context):
    """What ran, at which attempt, for which run, on which host."""
    instance = context["ti"]
    line = "%s %s %s %s" % (
        instance.task_id,
        instance.try_number,
        context["run_id"],
        os.environ.get("CERTIFIED_HOST", "-"),
    )
    with open(RAN, "a") as file:
        file.write(line + "\n")
    print("left the line of %s" % instance.task_id)
    if instance.task_id.endswith("7"):
        time.sleep(4)  # long enough to be met running when its host dies
    return instance.task_id


def take_what_came(**context):
    """The variable, the connection and the value of another task are what they were set to."""
    came = context["ti"].xcom_pull(task_ids="first")
    print("came: %s; variable: %s; conf: %s" % (came, Variable.get("certified"), context["dag_run"].conf))
    assert came == "first", came


with DAG("certified_small", default_args=DEFAULTS, schedule_interval=None) as small:
    first = PythonOperator(task_id="first", python_callable=leave_a_line, provide_context=True)
    second = PythonOperator(task_id="second", python_callable=take_what_came, provide_context=True)
    third = BashOperator(task_id="third", bash_command="echo run {{ run_id }} of {{ dag.dag_id }}")
    first >> second >> third

with DAG("certified_many", default_args=DEFAULTS, schedule_interval=None, concurrency=TASKS) as many:
    for number in range(TASKS):
        PythonOperator(task_id="task_%03d" % number, python_callable=leave_a_line, provide_context=True)
