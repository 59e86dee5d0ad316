import pickle

from xiqa.errors import BadInput


def test_reason_for_programs_and_message_for_people():
    error = BadInput("truncated", "a.png is cut short: copy it again")
    assert isinstance(error, ValueError)
    for copy in (error, pickle.loads(pickle.dumps(error))):  # it crosses process borders
        assert (copy.reason, copy.message, str(copy)) == ("truncated", *2 * ("a.png is cut short: copy it again",))
