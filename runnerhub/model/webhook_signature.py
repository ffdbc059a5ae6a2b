"""Whether GitHub signed these bytes. Pure."""

import hashlib
import hmac
import re
from collections.abc import Iterable

_FORM = re.compile(r"sha256=([0-9a-f]{64})")


def signature_of(header: str | None) -> bytes | None:
    """Return the digest in an `X-Hub-Signature-256`; None when it is missing or of another form."""
    found = _FORM.fullmatch(header or "")
    return bytes.fromhex(found[1]) if found else None


def is_signed(body: bytes, signature: bytes, secrets: Iterable[str]) -> bool:
    """Tell whether a signature is that of a body under any of the secrets.

    How long it takes says nothing about which one fits, nor how nearly. An empty secret fits
    nothing.
    """
    fits = False
    for secret in secrets:
        expected = hmac.digest(secret.encode(), body, hashlib.sha256)
        fits |= hmac.compare_digest(expected, signature) and bool(secret)
    return fits
