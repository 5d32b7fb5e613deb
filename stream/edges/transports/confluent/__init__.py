from stream.edges.transports.confluent.log import ConfluentLog

__all__ = ["ConfluentLog"]
