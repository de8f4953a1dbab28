"""The certificates of one listener: who gets which, and their renewal while splitter runs.

Rule 1: the name that a client asks for (SNI) chooses: an exact name, else a wildcard for one label, else the first
certificate of the configuration.  A client that names nobody gets the first one as well.
Rule 2: a certificate is replaced whole.  Both files are read, and fit each other, before any client sees them; until
then, and where they do not, the present one stays.  That is said once for each content of the files, and not before
the second look: two files are not replaced in one step.
Rule 3: the context that handshakes begin with holds no certificate and never changes, so a renewal touches no
connection.

Files are looked at every few seconds: four calls of the system for each certificate.
"""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from splitter.errors import OperatorError
from splitter.limits import CERTIFICATE_CHECK_S
from splitter.proxy.deadlines import Deadlines, Timed, ticks
from splitter.proxy.options import CertificateFiles, TlsOptions

_ALPN: Final = ("http/1.1",)
_VERSIONS: Final[Mapping[str, ssl.TLSVersion]] = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

Stamp = tuple[tuple[int, int, int], ...]
"""Inode, size and time of change of each file: equal stamps are equal contents."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that can be served: the names that it is for, in lower case, and when it ends."""

    names: tuple[str, ...]
    ends_at: datetime
    context: ssl.SSLContext


@dataclass(slots=True)
class _Entry:
    """One pair of files.

    `stamp` is of the files as they were last read, whether that went well or not; `error` is why it did not, until it
    is said.
    """

    files: CertificateFiles
    stamp: Stamp
    certificate: Certificate
    error: OperatorError | None = None


class Certificates(Timed):
    """The certificates that one listener serves.  `context` is what handshakes begin with."""

    __slots__ = ("_deadlines", "_entries", "_options", "_say", "_served", "context")

    def __init__(self, options: TlsOptions, say: Callable[[str], None]) -> None:
        """Read every file.  `say` hears a sentence of each that cannot be renewed.  Raises OperatorError."""
        super().__init__()
        self._options = options
        self._say = say
        self._entries = [_Entry(files, _stamp(files), read(files, options)) for files in options.certificates]
        self._deadlines: Deadlines
        self._served: Mapping[str, Certificate]
        self._publish()
        self.context = _context(options)
        self.context.sni_callback = self._choose

    @property
    def ends_at(self) -> Mapping[str, datetime]:
        """Return when each certificate ends, by its file."""
        return {entry.files.cert: entry.certificate.ends_at for entry in self._entries}

    def watch(self, deadlines: Deadlines) -> None:
        """Look at the files from now on, again and again."""
        self._deadlines = deadlines
        deadlines.within(self, ticks(CERTIFICATE_CHECK_S))

    def expire(self) -> None:
        """Look at the files, and when to look again."""
        self.renew()
        self._deadlines.within(self, ticks(CERTIFICATE_CHECK_S))

    def renew(self) -> None:
        """Serve what has changed from now on."""
        for entry in self._entries:
            stamp = _stamp(entry.files)
            if stamp != entry.stamp:
                entry.stamp = stamp
                self._read(entry)
            elif entry.error is not None:
                self._complain(entry, entry.error)
        self._publish()

    def find(self, name: str | None) -> Certificate:
        """Return the certificate for a client that asks for `name`."""
        asked = (name or "").lower().rstrip(".")
        wildcard = "*." + asked.partition(".")[2]
        return self._served.get(asked) or self._served.get(wildcard) or self._entries[0].certificate

    def _choose(self, handshake: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        handshake.context = self.find(name).context

    def _publish(self) -> None:
        served: dict[str, Certificate] = {}
        for entry in self._entries:
            for name in entry.certificate.names:
                served.setdefault(name, entry.certificate)
        self._served = served

    def _read(self, entry: _Entry) -> None:
        entry.error = None
        try:
            entry.certificate = read(entry.files, self._options)
        except OperatorError as error:
            entry.error = error

    def _complain(self, entry: _Entry, error: OperatorError) -> None:
        entry.error = None
        until = entry.certificate.ends_at.strftime("%Y-%m-%d %H:%M")
        self._say(f"{error}; the former certificate is served on, until {until} UTC")


def read(files: CertificateFiles, options: TlsOptions) -> Certificate:
    """Return what the files hold.  Raises OperatorError."""
    chain = _bytes(files.cert)
    _bytes(files.key)  # the error names the file, which that of the TLS library does not
    try:
        leaf = x509.load_pem_x509_certificates(chain)[0]
    except ValueError as error:
        raise OperatorError(f"{files.cert}: this is no certificate in PEM form ({error})") from None
    context = _context(options)
    try:
        context.load_cert_chain(files.cert, files.key, password=_no_password)
    except _LockedError:
        raise OperatorError(f"{files.key}: the key has a password; write it without one") from None
    except (ssl.SSLError, OSError) as error:
        if "MISMATCH" in str(error):
            raise OperatorError(f"{files.key}: this is not the key of {files.cert}") from None
        raise OperatorError(f"{files.key}: this is no private key in PEM form ({error})") from None
    return Certificate(_names(leaf), leaf.not_valid_after_utc, context)


class _LockedError(Exception):
    """A key asks for its password."""


def _no_password() -> str:
    raise _LockedError


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    """Return the host names of a certificate.  Without any it can still be the first, whom everybody gets."""
    try:
        alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(name.lower() for name in alternatives.get_values_for_type(x509.DNSName))


def _context(options: TlsOptions) -> ssl.SSLContext:
    """Return a context without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[options.version_min]
    context.set_alpn_protocols(_ALPN)
    return context


def _stamp(files: CertificateFiles) -> Stamp:
    found = []
    for path in (files.cert, files.key):
        try:
            stat = Path(path).stat()
        except OSError:  # who reads it says why
            found.append((0, 0, 0))
        else:
            found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return tuple(found)


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}; name a file that we may read") from None
