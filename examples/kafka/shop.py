"""A shop: writes an event for each order, and its label when it is known whether it came back.

Usage: python shop.py [ORDERS] [BOOTSTRAP]

What matters: both are JSON objects, keyed by the order's id, so that kafka-python, as any client
with the Java client's partitioner, puts an order's label on the partition of its event.
"""

import heapq
import json
import random
import sys
import time

from kafka import KafkaProducer

LATE = 3600 * 24 * 3  # seconds between an order and the label, at most


def main(orders: int = 1000, bootstrap: str = "localhost:9092") -> None:
    """Write so many orders and the labels that are known by then."""
    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        key_serializer=str.encode,
        value_serializer=lambda value: json.dumps(value).encode(),
        linger_ms=20,
        acks="all",
    )
    draw = random.Random(1)
    begin = time.time() - orders * 60
    waiting = []
    for number in range(orders):
        now = begin + number * 60  # an order a minute
        while waiting and waiting[0][0] <= now:
            known, order, returned = heapq.heappop(waiting)
            label = {"order": order, "returned": returned, "at": known}
            producer.send("shop.labels", key=order, value=label, timestamp_ms=int(known * 1000))
        order = f"order-{int(begin)}-{number}"
        price, country = draw.uniform(5, 300), draw.choice(["at", "de", "fr", "it"])
        event = {
            "order": order, "at": now, "price": round(price, 2), "items": draw.randint(1, 5),
            "country": country,
        }  # fmt: skip
        producer.send("shop.events", key=order, value=event, timestamp_ms=int(now * 1000))
        returned = (price > 150) != (draw.random() < 0.1)
        heapq.heappush(waiting, (now + draw.expovariate(1 / 7200) % LATE, order, returned))
    producer.flush()
    print(f"{orders:,} orders, {orders - len(waiting):,} labels; the others are not known yet")
    producer.close()


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(int(arguments[0]) if arguments else 1000, *arguments[1:2])
