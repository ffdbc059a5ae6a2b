"""Certificates for mutual TLS, made for one test run."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """Files in PEM: the authority, one server's pair, one client's pair."""

    ca: Path
    server_cert: Path
    server_key: Path
    client_cert: Path
    client_key: Path


def make_certificates(folder: Path, server_address: str) -> Certificates:
    """Make an authority, and certificates for a server at `server_address` and for a client."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    server = authority.issue_cert(server_address, "127.0.0.1", "localhost")
    client = authority.issue_cert("client.invalid")
    files = Certificates(
        *(
            folder / name
            for name in ("ca.pem", "server-cert.pem", "server-key.pem", "cert.pem", "key.pem")
        )
    )
    authority.cert_pem.write_to_path(str(files.ca))
    server.private_key_pem.write_to_path(str(files.server_key))
    client.private_key_pem.write_to_path(str(files.client_key))
    for pair, path in ((server, files.server_cert), (client, files.client_cert)):
        for number, blob in enumerate(pair.cert_chain_pems):
            blob.write_to_path(str(path), append=number > 0)
    return files
