"""apache/airflow#16414: documentation in Markdown keeps its indentation."""
import pytest

DOC = '''
    # Title

    * first
        * within the first

    Code:

        if True:
            pass
    '''


def shown(text):
    from airflow.www.utils import wrapped_markdown

    return str(wrapped_markdown(text))


def test_a_list_within_a_list_is_within_it():
    assert shown(DOC).count('<ul>') == 2, 'the list is flat'


def test_code_is_code():
    assert '<pre><code>if True:\n    pass\n</code></pre>' in shown(DOC)


@pytest.mark.parametrize('text', ['# Title', '\n    # Title\n', '# Title\n\n    Text', '\t# Title'])
def test_text_that_is_indented_as_a_whole_is_text(text):
    assert '<h1>Title</h1>' in shown(text)
    assert '<code>' not in shown(text)
    assert shown('') == '<div class="rich_doc" ></div>'


def test_what_is_not_documented_is_nothing():
    from airflow.www.utils import wrapped_markdown

    assert wrapped_markdown(None) is None
