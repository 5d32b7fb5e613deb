"""Records of what happened to models, for the tests of those who read them."""

import orjson

KEYS = {"parent": None, "cause": {}, "how": "fresh", "window": None, "evidence": {},
        "cost": {"learnt": 0, "answered": 0}, "gain": {}}  # fmt: skip


def told(seq, event, model, champion, **more):
    """Give a record; its time is a minute after that of the one before it."""
    return {
        "seq": seq,
        "event": event,
        "time": f"2013-07-01T10:{seq:02}:00Z",
        "position": {"events": 100 * seq, "labels": 90 * seq},
        "model": model,
        "champion": champion,
        **KEYS,
        **more,
    }


ALARM = {"kind": "alarm", "alarm_kind": "concept", "number": 1, "since": 1372672800.0}
STORY = [
    told(1, "trigger", "", "v1", cause=ALARM),
    told(2, "start", "v2", "v1", cause=ALARM, window={"policy": "fixed", "labels": 5000}),
    told(3, "promotion", "v2", "v2", cause=ALARM, evidence={"labels": 800, "better": 0.02},
         cost={"learnt": 800, "answered": 900}, gain={"errors_avoided": 40.0}),
    told(4, "start", "v3", "v2", parent="v2", how="warm", cause={"kind": "interval"}),
    told(5, "drop", "v3", "v2", parent="v2", how="warm",
         evidence={"labels": 400, "reason": "it errs more"},
         cost={"learnt": 400, "answered": 500}, gain={"errors_avoided": -3.0}),
    told(6, "refused", "", "v2", cause={"kind": "budget"}),
    told(7, "start", "v4", "v2", how="warm", parent="v2", cause={"kind": "asked"}),
]  # fmt: skip
"""v2 replaced v1, v3 was dropped, v4 still has to show what it is worth."""


def put(out, records):
    """Put records into an output folder, as if they had been committed."""
    text = b"".join(orjson.dumps(record) + b"\n" for record in records)
    (out / "models.jsonl").write_bytes(text)
    commit = orjson.loads((out / "commit.json").read_bytes())
    commit["lengths"]["models"] = len(text)
    (out / "commit.json").write_bytes(orjson.dumps(commit))
