"""Where a peer listens and what stands behind it."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Site:
    """A peer's own ports, the ports of the origin and of the WebSocket echo, and the certificate of all peers."""

    port: int
    tls_port: int
    origin: int
    echo: int
    certificate: Path
    key: Path


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """Return the files of a new certificate for loopback and of its key; beside them lies `both.pem`."""
    certificate, key = directory / "cert.pem", directory / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2"]
    command = ["openssl", "req", "-x509", "-nodes", *kind, *subject, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, capture_output=True, check=True)
    (directory / "both.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
    return certificate, key
