"""The JSON Schemas of all output records, written from the types that the code uses.

``python -m stream.app.schemas`` writes them to ``docs/schemas``; a test keeps them in step and
holds the records of a real run to them.
"""

from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter

from stream.app.summary import Summary
from stream.core.records import Alarm, DeadLetter, Metrics, ModelRecord, Prediction
from stream.edges.log_sink import JournalEntry
from stream.state.blob import Manifest

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"

RECORDS: dict[str, Any] = {
    "predictions": Prediction,
    "metrics": Metrics,
    "alarms": Alarm,
    "models": ModelRecord,
    "dead-letters": DeadLetter,
    "checkpoints": Manifest,
    "journal": JournalEntry,
    "summary": Summary,
}
"""Output file (or topic) to the type of its records."""


def schema_of(name: str) -> dict[str, Any]:
    """Give the JSON Schema of the records of one output."""
    schema = TypeAdapter(RECORDS[name]).json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = name
    schema["additionalProperties"] = True  # a schema only grows: readers pass by what is new
    return schema


def main() -> None:
    """Write all schemas."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in RECORDS:
        text = orjson.dumps(schema_of(name), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
        (FOLDER / f"{name}.schema.json").write_bytes(text + b"\n")


if __name__ == "__main__":
    main()
