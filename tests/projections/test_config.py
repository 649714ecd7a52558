"""The configuration is what was last said of each key."""

from queuectl.events.types import CONFIG_STREAM, ConfigChanged
from queuectl.projections import config
from tests.projections.telling import Teller


def test_the_last_value_of_a_key_counts(views: Teller) -> None:
    """Keys are set, set again and dropped, each by itself, and keep their kind of number."""
    changes = [("a", None, 1), ("b", None, 0.5), ("a", 1, 2), ("c", None, 3), ("c", 3, None)]
    views.tell(CONFIG_STREAM, *(ConfigChanged(*change) for change in changes))
    assert config.values(views.txn) == {"a": 2, "b": 0.5}
    assert [type(value) for value in config.values(views.txn).values()] == [int, float]


def test_a_key_that_had_another_name_is_one(views: Teller) -> None:
    """What an older release set under a key's former name is the key's value, until it is set or dropped anew."""
    views.tell(CONFIG_STREAM, ConfigChanged("job_timeout_sec", None, 9))
    assert config.values(views.txn) == {"job_timeout_s": 9}
    views.tell(CONFIG_STREAM, ConfigChanged("job_timeout_s", 9, None))
    assert config.values(views.txn) == {}
