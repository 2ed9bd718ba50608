"""apache/airflow#15112: scheduler and reader of DAG files go on, however much they have to tell each other."""
import multiprocessing
import threading

import pytest

COUNT = 5000


class Reader:
    """The loop of the process that reads DAG files; it has no files, and remembers what it is told."""

    def __init__(self, conn, in_turn):
        from airflow.utils.dag_processing import DagFileProcessorManager

        self.told = []
        self.loop = DagFileProcessorManager.__new__(DagFileProcessorManager)
        self.loop._signal_conn, self.loop.waitables, self.loop._async_mode = conn, {conn: conn}, not in_turn
        self.loop._file_path_queue, self.loop._file_paths, self.loop._num_run, self.loop._max_runs = ['a file'], [], 0, -1
        self.loop._add_callback_to_queue = self.told.append
        for name in (
            '_refresh_dag_dir', 'prepare_file_path_queue', 'start_new_processes', '_find_zombies', 'wait_until_finished',
            '_kill_timed_out_processors', 'emit_metrics', 'collect_results', '_print_stat', 'terminate',
        ):  # fmt: skip
            setattr(self.loop, name, lambda: None)
        threading.Thread(target=self.loop._run_parsing_loop, daemon=True).start()


@pytest.fixture(name='started', params=['at once', 'in turn'])
def fixture_started(request):
    """What the scheduler has of the process, and the process."""
    from airflow.utils.dag_processing import DagFileProcessorAgent, DagParsingSignal

    in_turn = request.param == 'in turn'
    agent = DagFileProcessorAgent.__new__(DagFileProcessorAgent)
    agent._done, agent._process, agent._async_mode = False, None, not in_turn
    agent._parent_signal_conn, conn = multiprocessing.Pipe()
    agent._last_parsing_stat_received_at = 0
    yield agent, Reader(conn, in_turn), in_turn
    threading.Thread(target=agent._parent_signal_conn.send, args=(DagParsingSignal.TERMINATE_MANAGER,), daemon=True).start()


def ends(function):
    """Whether a function comes back."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    thread.join(20)
    return not thread.is_alive()


def test_a_scheduler_that_sends_callbacks_does_not_wait_for_ever(started):
    from airflow.utils.callback_requests import CallbackRequest

    agent, reader, in_turn = started
    if in_turn:
        pytest.skip('they speak in turn, and never at once')

    def send():
        for number in range(COUNT):
            agent.send_callback_to_execute(CallbackRequest('/a/file.py', 'message {}'.format(number)))

    assert ends(send), 'the scheduler stands still'
    assert ends(lambda: agent.wait_until_finished())
    while len(reader.told) < COUNT:
        assert ends(lambda: agent._parent_signal_conn.recv())
    assert agent._last_parsing_stat_received_at > 0


def test_the_scheduler_is_told_that_files_are_read(started):
    from airflow.utils.dag_processing import DagParsingSignal

    agent, _, in_turn = started
    for _ in range(3):
        if in_turn:
            agent._parent_signal_conn.send(DagParsingSignal.AGENT_RUN_ONCE)
        assert ends(agent.wait_until_finished), 'the scheduler waits for files to be read'
    assert agent.all_files_processed
