"""apache/airflow#15915: charts are as wide as the page, and their legends show whole names of tasks."""
import re

import pytest
import ui

CUT = 20


@pytest.mark.parametrize('view, charts', [('duration', 2), ('tries', 1), ('landing_times', 1)])
def test_names_are_whole_and_the_page_is_used(view, charts):
    ui.reset_runs()
    page = ui.client_of(ui.RBAC).get('/' + view, query_string={'dag_id': 'own'})
    assert page.status_code == 200
    text = page.get_data(as_text=True)

    lengths = [int(length) for length in re.findall(r'\.legend\.maxKeyLength\(([0-9]+)\)', text)]
    assert len(lengths) == charts == text.count('nv.models.lineChart()'), 'nothing is said of the names'
    assert min(lengths) > CUT
    assert not re.search(r"width: ?[0-9]+px|attr\('width'", text)
