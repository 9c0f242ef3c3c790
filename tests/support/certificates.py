"""Certificates that nobody trusts."""

import ssl
import subprocess
from pathlib import Path


def self_signed(folder: Path, host: str = "localhost") -> ssl.SSLContext:
    """Make one for ``host``, `cert.pem` in ``folder``; a context to serve with."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context
