"""The DAG of what runs in pods: tasks of KubernetesExecutor, two of which take their time, and a pod of its own.

Airflow reads this file, in the environment that is certified: any Airflow from 1.10 on, any Python from 3.6 on.
"""

import os
import socket
import time
from datetime import datetime, timedelta

from airflow import DAG
from airflow.operators.python_operator import PythonOperator

try:
    from airflow.providers.cncf.kubernetes.operators.kubernetes_pod import KubernetesPodOperator
except ImportError:  # 1.10.7 and 1.10.10, which no provider is for
    from airflow.contrib.operators.kubernetes_pod_operator import KubernetesPodOperator

RAN = os.environ["CERTIFIED_RAN"]
DEFAULTS = {"owner": "certified", "start_date": datetime(2021, 1, 1), "retries": 3, "retry_delay": timedelta(seconds=1)}


def leave_a_line(seconds, **context):
    """Which task ran, at which attempt, for which run, in which pod; the first attempt takes so many seconds."""
    instance = context["ti"]
    with open(RAN, "a") as file:
        file.write("%s %s %s %s\n" % (instance.task_id, instance.try_number, context["run_id"], socket.gethostname()))
    print("left the line of %s" % instance.task_id)
    if context["run_id"] == "dying" and instance.try_number == 1:
        time.sleep(seconds)
    return instance.task_id


def take_what_came(**context):
    """The value of the task before it came."""
    assert context["ti"].xcom_pull(task_ids="in_pod_quick") == "in_pod_quick"


with DAG("certified_pods", default_args=DEFAULTS, schedule_interval=None) as pods:
    quick, outlives, lost = [
        PythonOperator(
            task_id="in_pod_%s" % name, python_callable=leave_a_line, op_args=[seconds], provide_context=True
        )
        # In a run in which something dies: one that goes on while it does, and one that would never end.
        for name, seconds in (("quick", 0), ("outlives", 20), ("lost", 3600))
    ]
    last = PythonOperator(task_id="last", python_callable=take_what_came, provide_context=True)
    own = KubernetesPodOperator(
        task_id="own_pod",
        name="own-pod",
        namespace="default",
        image="of.a/certification",
        cmds=["sh", "-c"],
        arguments=["echo a pod of its own says {{ run_id }}"],
        in_cluster=False,
        config_file=os.environ["AIRFLOW__KUBERNETES__CONFIG_FILE"],
        get_logs=True,
        is_delete_operator_pod=True,
        # Where 1.10.7 has another default: a pod that gives a result back needs a second container, and a shell in it.
        do_xcom_push=False,
    )
    quick >> last
