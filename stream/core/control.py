"""Control records: what a person asks of a running service, taken at a position like any input."""

from typing import NamedTuple

from stream.core.records import Fault, Record, Row

_SHORTEST = 8


class Rollback(NamedTuple):
    """Go on with the learner of an earlier checkpoint; `checkpoint` begins its id."""

    checkpoint: str


def read_control(record: Record) -> Rollback | Fault:
    """Read a control record.

    Examples
    --------
    >>> read_control(Row({"action": "rollback", "checkpoint": "3f9a51c2e6"}, b""))
    Rollback(checkpoint='3f9a51c2e6')
    >>> read_control(Row({"action": "panic"}, b"")).reason
    'bad_control'
    """
    assert isinstance(record, Row), "control records are not read beforehand"
    fields = record.fields
    if isinstance(fields, Fault):
        return fields
    action, checkpoint = fields.get("action"), fields.get("checkpoint")
    if action != "rollback":
        return Fault("bad_control", f"action {action!r}: only rollback is known")
    if type(checkpoint) is not str or len(checkpoint) < _SHORTEST:
        detail = f"rollback needs a checkpoint's id, {_SHORTEST} digits of it or more"
        return Fault("bad_control", detail)
    return Rollback(checkpoint)
