"""An authority of a test's own, and what it signs: PEM files in a folder."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOOPBACK = "127.0.0.1"


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes
    serial: int

    def write(self, chain: Path, key: Path) -> None:
        """In the order in which a careless tool might."""
        chain.write_bytes(self.certificate)
        key.write_bytes(self.key)


class Authority:
    """Signs for loopback."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(f"an authority of a test {x509.random_serial_number():x}"[:64])
        basic = x509.BasicConstraints(ca=True, path_length=0)
        signed = self._builder(self._name, self._key.public_key()).add_extension(basic, True)
        self.certificate = _pem(signed.sign(self._key, hashes.SHA256()))

    def _builder(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
        )

    def sign(self, *names: str, address: str = LOOPBACK) -> Pair:
        """For these DNS names, localhost, and an address: loopback."""
        key = ec.generate_private_key(ec.SECP256R1())
        own = [x509.DNSName(name) for name in ("localhost", *names)]
        alternatives = x509.SubjectAlternativeName([*own, x509.IPAddress(ip_address(address))])
        builder = self._builder(_name("a server of a test"), key.public_key())
        signed = builder.add_extension(alternatives, False).sign(self._key, hashes.SHA256())
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return Pair(_pem(signed), private, signed.serial_number)
