"""A broker that lets nobody in without TLS, and asks for a password or a certificate."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from tests.kafka.broker import Broker
from tests.kafka.errors import BrokerUnavailableError
from tests.kafka.jars import require_java
from tests.kafka.launch import QUICK_START, JavaProcess, free_port

USER, PASSWORD = "app", "pass-word-7"
LOGIN = "org.apache.kafka.common.security"


class Secured:
    """Where its listeners are, and files of certificates.

    Attributes
    ----------
    sasl, mutual
        Addresses: TLS with a password (PLAIN and SCRAM), TLS with a certificate of the client.
    authority, certificate, key
        Of the client; PEM.
    """

    def __init__(self, folder: Path) -> None:
        self.plain, self.sasl, self.mutual = (f"localhost:{free_port()}" for _ in range(3))
        self.authority = folder / "ca.pem"
        self.certificate = folder / "client.pem"
        self.key = folder / "client.key"
        self._keystore = folder / "server.both.pem"
        _make_certificates(folder)
        self._keystore.write_text(
            (folder / "server.key").read_text() + (folder / "server.pem").read_text()
        )

    def settings(self) -> dict[str, str]:
        """Give the settings of the broker."""
        controller = free_port()
        listeners = f"PLAINTEXT://{self.plain},SASL_SSL://{self.sasl},SSL://{self.mutual}"
        sasl = "listener.name.sasl_ssl"
        return {
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": listeners,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,"
            "SASL_SSL:SASL_SSL,SSL:SSL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._keystore),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority),
            "listener.name.ssl.ssl.client.auth": "required",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            f"{sasl}.plain.sasl.jaas.config": f"{LOGIN}.plain.PlainLoginModule required "
            f'user_{USER}="{PASSWORD}";',
            f"{sasl}.scram-sha-256.sasl.jaas.config": f"{LOGIN}.scram.ScramLoginModule required;",
            f"{sasl}.scram-sha-512.sasl.jaas.config": f"{LOGIN}.scram.ScramLoginModule required;",
        }


@contextmanager
def secured_broker(folder: Path) -> Iterator[Secured]:
    """Start one, and create its user.

    Raises
    ------
    BrokerUnavailableError
        When Java or openssl is not here; a broker of somebody else is not used.
    """
    require_java()
    if shutil.which("openssl") is None:
        raise BrokerUnavailableError("no `openssl` on the PATH")
    secured = Secured(folder)
    process = JavaProcess(folder, secured.settings(), QUICK_START)
    process.port = int(secured.plain.rpartition(":")[2])
    try:
        Broker(f"127.0.0.1:{process.port}", process).start()
        with KafkaAdminClient(bootstrap_servers=secured.plain) as admin:
            for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
                credential = UserScramCredentialUpsertion(USER, mechanism, PASSWORD)
                done = admin.alter_user_scram_credentials([credential])
                assert done == {USER: None}
        yield secured
    finally:
        process.remove()


def _make_certificates(folder: Path) -> None:
    """Make an authority, and certificates of it for the broker and a client, for a day."""
    fresh = ["-newkey", "rsa:2048", "-nodes", "-days", "1"]
    _openssl(
        folder, "req", "-x509", *fresh, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca"
    )
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    for who in ("server", "client"):
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", names]
        paths = ["-keyout", f"{who}.key", "-out", f"{who}.pem"]
        _openssl(folder, "req", "-x509", *fresh, *signed, *paths, "-subj", f"/CN={who}")


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["openssl", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        env={**os.environ, "RANDFILE": str(folder / "random")},
    )
