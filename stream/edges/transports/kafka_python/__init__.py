from stream.edges.transports.kafka_python.log import KafkaPythonLog

__all__ = ["KafkaPythonLog"]
