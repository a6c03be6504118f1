"""Certificates and tokens of one cluster, in its folder; nothing of it outlives the lane."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

LOOPBACK = "127.0.0.1"
SERVICE = "kubernetes.default.svc.cluster.local"
CONFIG = """\
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "https://{server}", certificate-authority: "{ca}"}}}}]
users: [{{name: u, user: {{token: "{token}"}}}}]
contexts: [{{name: x, context: {{cluster: c, user: u, namespace: default}}}}]
current-context: x
"""


@dataclass(frozen=True, slots=True)
class Pki:
    """Where what is."""

    folder: Path
    port: int  # of the API

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def kubeconfig(self, user: str) -> Path:
        return self.folder / f"{user}.kubeconfig"

    def write(self, address: str, first_service: str, nodes: list[str]) -> "Pki":
        """Everything. `address` is where nodes reach the API; the administrator: on loopback."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        key, name = ec.generate_private_key(ec.SECP256R1()), _name("lane-ca")
        basic = x509.BasicConstraints(ca=True, path_length=None)
        ca = _builder(name, name, key.public_key()).add_extension(basic, True)
        self._save("ca", key, ca.sign(key, hashes.SHA256()))
        labels = SERVICE.split(".")
        dns = ["localhost", *(".".join(labels[:n]) for n in (1, 2, 3, len(labels)))]
        addresses = {LOOPBACK, address, first_service}
        alternatives: list[x509.GeneralName] = [*map(x509.DNSName, dns)]
        alternatives += [x509.IPAddress(ip_address(one)) for one in sorted(addresses)]
        for common, names in (("kube-apiserver", alternatives), ("front-proxy", [])):
            own = ec.generate_private_key(ec.SECP256R1())
            builder = _builder(_name(common), name, own.public_key())
            if names:
                builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
            self._save(common, own, builder.sign(key, hashes.SHA256()))
        self._save("sa", rsa.generate_private_key(65537, 2048))
        self._tokens(address, nodes)
        return self

    def _tokens(self, address: str, nodes: list[str]) -> None:
        """A kubeconfig each: the administrator, every node's kubelet, kube-proxy."""
        groups = {"admin": ("admin", "system:masters"), "proxy": ("system:kube-proxy", "")}
        groups |= {f"kubelet-{node}": (f"system:node:{node}", "system:nodes") for node in nodes}
        lines = []
        for number, (file, (user, group)) in enumerate(groups.items()):
            token = secrets.token_hex(16)
            lines.append(f'{token},{user},{number},"{group}"\n')
            server = f"{LOOPBACK if file == 'admin' else address}:{self.port}"
            text = CONFIG.format(server=server, ca=self.path("ca.crt"), token=token)
            self.kubeconfig(file).write_text(text)
        (self.folder / "tokens.csv").write_text("".join(lines))

    def _save(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
        certificate: x509.Certificate | None = None,
    ) -> None:
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        form = serialization.PrivateFormat.TraditionalOpenSSL
        (self.folder / f"{name}.key").write_bytes(key.private_bytes(pem, form, plain))
        if certificate is not None:
            (self.folder / f"{name}.crt").write_bytes(certificate.public_bytes(pem))


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
    )
