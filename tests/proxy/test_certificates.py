"""Which certificate a client gets, and what becomes of files that change."""

import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from splitter.errors import OperatorError
from splitter.limits import CERTIFICATE_CHECK_S
from splitter.proxy.certificates import Certificates
from splitter.proxy.deadlines import Deadlines, ticks
from splitter.proxy.options import CertificateFiles, TlsOptions

CA = trustme.CA()


def written(directory: Path, *names: str, file: str = "") -> CertificateFiles:
    """Write a certificate for `names` and return where it is."""
    stem = file or names[0].replace("*", "any")
    pair = CertificateFiles(str(directory / f"{stem}.pem"), str(directory / f"{stem}.key"))
    rewrite(pair, *names)
    return pair


def rewrite(pair: CertificateFiles, *names: str) -> None:
    """Replace both files as tools that renew do: each by a new file of its name."""
    made = CA.issue_cert(*names)
    chain = b"".join(blob.bytes() for blob in made.cert_chain_pems)
    for path, content in ((Path(pair.cert), chain), (Path(pair.key), made.private_key_pem.bytes())):
        new = path.with_suffix(".new")
        new.write_bytes(content)
        new.replace(path)


def served(certificates: Certificates, name: str | None) -> tuple[str, ...]:
    return certificates.find(name).names


class Heard(list[str]):
    """What was said of certificates that cannot be renewed."""


@pytest.fixture
def heard() -> Heard:
    return Heard()


class TestName:
    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            ("shop.example", "shop.example"),
            ("SHOP.example.", "shop.example"),
            ("www.shop.example", "*.shop.example"),
            ("a.www.shop.example", "first.example"),
            ("other.example", "first.example"),
            ("", "first.example"),
            (None, "first.example"),
        ],
    )
    def test_chooses_the_certificate(self, tmp_path: Path, heard: Heard, asked: str | None, expected: str) -> None:
        """
        An exact name, else a wildcard for one label, else the first certificate.
        """
        pairs = [written(tmp_path, name) for name in ("first.example", "shop.example", "*.shop.example")]
        certificates = Certificates(TlsOptions(tuple(pairs)), heard.append)

        assert served(certificates, asked) == (expected,)


class TestRenewal:
    def test_follows_the_files(self, tmp_path: Path, heard: Heard) -> None:
        """
        Once both files have changed, clients get the new certificate; the wheel looks after them.
        """
        pair = written(tmp_path, "shop.example")
        certificates = Certificates(TlsOptions((pair,)), heard.append)
        deadlines = Deadlines()
        certificates.watch(deadlines)
        former = certificates.find(None)

        for _ in range(3):
            rewrite(pair, "shop.example", "new.example")
            for _ in range(ticks(CERTIFICATE_CHECK_S)):
                deadlines.advance()
            assert served(certificates, "new.example") == ("shop.example", "new.example")
            assert certificates.find("new.example") is not former
            former = certificates.find("new.example")

        assert heard == []

    def test_leaves_what_has_not_changed(self, tmp_path: Path, heard: Heard) -> None:
        """
        Files that are as they were are not read again.
        """
        certificates = Certificates(TlsOptions((written(tmp_path, "shop.example"),)), heard.append)
        former = certificates.find(None)

        certificates.renew()

        assert certificates.find(None) is former

    @pytest.mark.parametrize("damage", ["", "garbage", "missing", "mismatch"])
    def test_keeps_the_former_where_the_new_is_bad(self, tmp_path: Path, heard: Heard, damage: str) -> None:
        """
        What cannot be served is said once, and not at the first look; the former certificate stays until it is mended.
        """
        pair = written(tmp_path, "shop.example")
        certificates = Certificates(TlsOptions((pair,)), heard.append)
        former = certificates.find(None)
        if damage == "missing":
            Path(pair.cert).unlink()
        elif damage == "mismatch":
            Path(pair.key).write_bytes(CA.issue_cert("shop.example").private_key_pem.bytes())
        else:
            Path(pair.cert).write_text(damage)

        certificates.renew()
        assert heard == []
        for _ in range(3):
            certificates.renew()
        assert len(heard) == 1
        assert heard[0].startswith(pair.key if damage == "mismatch" else pair.cert)
        assert "the former certificate is served on, until " in heard[0]
        assert certificates.find(None) is former

        rewrite(pair, "shop.example")
        certificates.renew()
        assert certificates.find(None) is not former

    def test_waits_for_the_second_file(self, tmp_path: Path, heard: Heard) -> None:
        """
        A certificate whose key comes a moment later is no mistake.
        """
        pair = written(tmp_path, "shop.example")
        certificates = Certificates(TlsOptions((pair,)), heard.append)
        made = CA.issue_cert("shop.example", "new.example")
        Path(pair.cert).write_bytes(made.cert_chain_pems[0].bytes())
        certificates.renew()
        assert served(certificates, None) == ("shop.example",)
        Path(pair.key).write_bytes(made.private_key_pem.bytes())

        certificates.renew()
        certificates.renew()

        assert served(certificates, None) == ("shop.example", "new.example")
        assert heard == []

    def test_says_when_each_ends(self, tmp_path: Path, heard: Heard) -> None:
        """
        The end of what is served is known for each file.
        """
        pair = written(tmp_path, "shop.example")
        certificates = Certificates(TlsOptions((pair,)), heard.append)

        assert certificates.ends_at == {pair.cert: certificates.find(None).ends_at}


class TestStart:
    def test_refuses_what_cannot_be_served(self, tmp_path: Path, heard: Heard) -> None:
        """
        Each mistake names its file and what to do.
        """
        good, other = written(tmp_path, "shop.example"), written(tmp_path, "other.example")
        locked = tmp_path / "locked.key"
        locked.write_bytes(_locked(Path(good.key).read_bytes()))
        garbage = tmp_path / "garbage"
        garbage.write_text("garbage")
        cases = [
            (CertificateFiles(str(tmp_path / "none"), good.key), "none: No such file"),
            (CertificateFiles(good.cert, str(tmp_path / "none")), "none: No such file"),
            (CertificateFiles(str(garbage), good.key), "garbage: this is no certificate in PEM form"),
            (CertificateFiles(good.cert, str(garbage)), "garbage: this is no private key in PEM form"),
            (CertificateFiles(good.cert, other.key), f"other.example.key: this is not the key of {good.cert}"),
            (CertificateFiles(good.cert, str(locked)), "locked.key: the key has a password; write it without one"),
        ]

        for pair, sentence in cases:
            with pytest.raises(OperatorError, match=sentence):
                Certificates(TlsOptions((pair,)), heard.append)

    def test_serves_no_version_below_the_option(self, tmp_path: Path, heard: Heard) -> None:
        """
        TLS 1.2 is the oldest, or 1.3 if that is said.
        """
        pair = written(tmp_path, "shop.example")

        versions = [
            Certificates(TlsOptions((pair,), version), heard.append).find(None).context.minimum_version
            for version in ("1.2", "1.3")
        ]

        assert versions == [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def _locked(key: bytes) -> bytes:
    return load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"secret")
    )
