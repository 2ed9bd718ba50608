"""apache/airflow#6985: the id of a DAG is no CSS class in the list of DAGs."""
import re

import pytest
import ui


@pytest.mark.parametrize('interface', ui.UIS)
def test_no_element_has_the_id_of_a_dag_for_a_class(interface):
    page = ui.client_of(interface).get(ui.index_of(interface)).data.decode()
    row = page[page.index('toggle-own') :]
    row = row[: row.index('</tr>')]
    classes = [name for names in re.findall(r'class="([^"]*)"', row) for name in names.split()]
    assert 'own' not in classes, 'the id of a DAG decides how its row looks'
    assert 'schedule' in classes


@pytest.mark.parametrize('interface', ui.UIS)
def test_the_label_of_a_schedule_is_found_by_the_id_of_its_dag(interface):
    page = ui.client_of(interface).get(ui.index_of(interface)).data.decode()
    labels = re.findall(r'<a class="label label-default schedule[^>]*>', page)
    assert len([label for label in labels if re.search(r'[" ]own"', label)]) == 1
