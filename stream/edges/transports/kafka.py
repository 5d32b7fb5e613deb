from stream.edges.transports.log import Log


def open_log(client: str, bootstrap: str, settings: dict) -> Log: ...
