"""The operator's own authority for a cluster's pods: pure decisions, and what is signed.

A cluster has an authority of its own, whose key is in the operator's namespace alone. Pods trust a
*bundle* of authorities, and say which (its hash) and which certificate (its fingerprint) they have.

- C1 An authority that is to end is joined by a newer one in time for the longest certificate.
- C2 The bundle is all authorities that there are. Pods get it before anything is signed by a new
  one: the newest signs only when every pod has said that it trusts all of them.
- C3 A certificate is made anew when it is missing, is near its end, names other hosts, or is of an
  older authority while the newest may sign.
- C4 An older authority goes when every certificate is of the newest, and every pod has said that it
  shows its tier's newest certificate.
- C5 A pod that says nothing is waited for. What there is stays good meanwhile.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from signet_operator.names import Tier

YEAR_S = 365 * 86_400
AUTHORITY_S = 10 * YEAR_S  # at least; and as long as three certificates
BEFORE_S = 3600  # that a certificate is good before it is made: clocks of nodes differ


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as PEM. Never shown: the key is in it."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"Pair({fingerprint(self.certificate)})"


@dataclass(frozen=True, slots=True)
class Leaf:
    """What is known of a certificate that was handed out, without its key."""

    fingerprint: str
    issuer: str  # fingerprint of its authority
    not_after: float
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PodTrust:
    """What a pod has said; '' nothing yet. `waits`: it does not start, maybe for want of it."""

    tier: Tier
    bundle: str
    certificate: str
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """For how long certificates are made, and when they are made anew; what each tier's names."""

    lifetime_s: int
    renew_before_s: int
    hosts: Mapping[Tier, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now, in this order; `signer` is an index of the authorities that are left."""

    add_authority: bool = False
    drop_older: bool = False
    sign: tuple[Tier, ...] = ()
    signer: int = 0


def decide(
    authorities: Sequence[bytes],
    leaves: Mapping[Tier, Leaf],
    pods: Iterable[PodTrust],
    terms: Terms,
    now: float,
) -> Decision:
    """`authorities`: certificates, the oldest first."""
    pods = tuple(pods)
    if not authorities:
        return Decision(add_authority=True)
    if len(authorities) == 1 and ends(authorities[0]) - now < _authority_before(terms):
        return Decision(add_authority=True)  # C1; what it signs is decided when it is there
    signer = _signer(authorities, leaves, pods)
    newest = fingerprint(authorities[-1])
    sign = tuple(
        tier
        for tier in terms.hosts
        if _due(leaves.get(tier), tier, terms, authorities[signer], newest, now)
    )
    latest = {tier: leaf.fingerprint for tier, leaf in leaves.items()}
    shown = all(pod.certificate == latest.get(pod.tier) for pod in pods)
    older = len(authorities) > 1
    of_newest = not sign and all(leaf.issuer == newest for leaf in leaves.values())
    if older and of_newest and shown:
        return Decision(drop_older=True)  # C4
    return Decision(sign=sign, signer=signer)


def _signer(
    authorities: Sequence[bytes], leaves: Mapping[Tier, Leaf], pods: Sequence[PodTrust]
) -> int:
    """C2: once the newest has signed, it goes on: all trusted it then, and new pods do too."""
    last = len(authorities) - 1
    newest = fingerprint(authorities[-1])
    has_signed = any(leaf.issuer == newest for leaf in leaves.values())
    whole = bundle_hash(bundle(authorities))
    return last if has_signed or all(pod.bundle == whole for pod in pods) else 0


def _due(
    leaf: Leaf | None, tier: Tier, terms: Terms, signer: bytes, newest: str, now: float
) -> bool:
    """C3. One that lasts as long as its authority cannot be made to last longer by it."""
    if leaf is None or leaf.hosts != terms.hosts[tier]:
        return True
    if leaf.not_after - now < terms.renew_before_s and leaf.not_after < _last(signer, terms, now):
        return True
    of = fingerprint(signer)
    return leaf.issuer != of and of == newest


def _last(signer: bytes, terms: Terms, now: float) -> int:
    """Until when a certificate is good that is made now."""
    return int(min(now + terms.lifetime_s, ends(signer)))


def _authority_before(terms: Terms) -> float:
    """How long before its end an authority gets a successor."""
    return max(YEAR_S, 2 * terms.lifetime_s)


# --- what is said of certificates ---------------------------------------------------------------


def bundle(authorities: Iterable[bytes]) -> bytes:
    """As pods get it: one PEM after the other."""
    return b"".join(one if one.endswith(b"\n") else one + b"\n" for one in authorities)


def bundle_hash(text: bytes) -> str:
    """As pods say it (docs/admin.md)."""
    return hashlib.sha256(text).hexdigest()[:16]


def fingerprint(certificate: bytes) -> str:
    """Of the first certificate in a PEM, as pods say it."""
    found = x509.load_pem_x509_certificate(certificate)
    return found.fingerprint(hashes.SHA256()).hex()[:16]


def ends(certificate: bytes) -> float:
    """The last moment at which it is good."""
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc.timestamp()


# --- what is made ---------------------------------------------------------------------------------


def make_authority(name: str, terms: Terms, now: float) -> Pair:
    """Signs certificates of one cluster, and no further authorities. Each has a name of its own:
    TLS libraries look authorities up by it.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name)
    lasts = max(AUTHORITY_S, 3 * terms.lifetime_s)
    built = (
        _builder(subject, subject, key, now, now + lasts)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _signed(built, key, key)


def make_leaf(
    authority: Pair, hosts: tuple[str, ...], terms: Terms, now: float, *, server: bool = True
) -> tuple[Pair, Leaf]:
    """For pods of a tier: server and client at once. `server` False: only calls (the operator)."""
    signer = x509.load_pem_x509_certificate(authority.certificate)
    signing = serialization.load_pem_private_key(authority.key, None)
    assert isinstance(signing, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    last = _last(authority.certificate, terms, now)
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if server:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
    built = (
        _builder(_subject(hosts[-1]), signer.subject, key, now, last)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(names, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()),
            critical=False,
        )
    )
    pair = _signed(built, key, signing)
    made = Leaf(fingerprint(pair.certificate), fingerprint(authority.certificate), last, hosts)
    return pair, made


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: float,
    last: float,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(int(now), UTC) - timedelta(seconds=BEFORE_S))
        .not_valid_after(datetime.fromtimestamp(int(last), UTC))
    )


def _signed(
    built: x509.CertificateBuilder,
    key: ec.EllipticCurvePrivateKey,
    signing: ec.EllipticCurvePrivateKey,
) -> Pair:
    made = built.sign(signing, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Pair(made.public_bytes(serialization.Encoding.PEM), private)
