"""Reads what was predicted for the shop's orders.

Usage: python decisions.py [HOW_MANY] [BOOTSTRAP]

What matters: `read_committed`. Predictions come in transactions; what a worker wrote before it
was killed and never committed is not to be seen.
"""

import json
import sys

from kafka import KafkaConsumer


def main(most: int = 10, bootstrap: str = "localhost:9092") -> None:
    """Print so many predictions, or as many as come within five seconds of silence."""
    consumer = KafkaConsumer(
        "shop.predictions",
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=5000,
    )
    for count, record in enumerate(consumer, start=1):
        served = json.loads(record.value)
        share = served.get("probability")
        chance = "unknown" if share is None else f"{share:.0%}"
        print(f"{served['id']}: chance that it comes back {chance} (model {served['model']})")
        if count == most:
            break
    consumer.close()


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(int(arguments[0]) if arguments else 10, *arguments[1:2])
