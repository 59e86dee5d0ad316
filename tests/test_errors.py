import pickle

from xiqa.errors import BadInput


def test_reason_for_programs_and_message_for_people():
    error = BadInput("truncated", "a.png is cut short: copy it again")
    assert isinstance(error, ValueError)
    assert (error.reason, error.message, str(error)) == (
        "truncated",
        error.message,
        "a.png is cut short: copy it again",
    )


def test_crosses_process_borders():
    error = pickle.loads(pickle.dumps(BadInput("missing", "no such file")))
    assert (error.reason, str(error)) == ("missing", "no such file")
