"""The Gantt page for the proofs; beside `ui`, whose applications it shares. 1.10 only."""
import importlib
import json
import re

import ui

RUN = ui.RUN_DATE


def page(interface, dag, rows=(), fails=()):
    """The page of a run of a DAG, with task instances as given, {task_id: values}, and with failed tries."""
    from airflow.models import DagRun, TaskFail, TaskInstance

    ui.app_of(interface)
    dag.sync_to_db()
    views = importlib.import_module('airflow.{}.views'.format(interface))
    views.dagbag.bag_dag(dag, dag, dag)
    with ui._session() as session:
        for model in (TaskInstance, TaskFail, DagRun):
            session.query(model).filter(model.dag_id == dag.dag_id).delete()
        session.add(DagRun(dag_id=dag.dag_id, run_id='manual__1', execution_date=RUN, state='running'))
        for task_id, values in dict(rows).items():
            instance = TaskInstance(dag.get_task(task_id), RUN)
            session.add(instance)
            session.flush()
            for name, value in values.items():
                setattr(instance, name, value)
        for task_id, values in dict(fails).items():
            session.add(TaskFail(dag.get_task(task_id), RUN, values.get('start_date'), values.get('end_date')))
    values = {'dag_id': dag.dag_id, 'execution_date': RUN.isoformat()}
    return ui.client_of(interface).get(ui.url_of(interface, 'gantt'), query_string=values)


def tasks(page):
    """What the page draws: a bar for each."""
    text = page.get_data(as_text=True)
    return json.JSONDecoder().raw_decode(text, re.search(r'data = (?=\{)', text).end())[0]['tasks']
