"""Secrets that the operator makes: keys that pods share, authorities, certificates.

What may be relied upon: Secrets in a cluster's namespace are written and never read (leaves.py);
what must be known of a certificate is noted in the ConfigMap of the bundle; whoever takes the note
away asks for all of them anew. An authority's key is in the operator's own namespace. Where
cert-manager makes the certificates, the operator reads one Secret: that which was made for itself.
"""

import base64
import json
import os
import secrets
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from signet_operator import certificates as ca
from signet_operator import names
from signet_operator.actions import Tell
from signet_operator.apply.calls import Calls, Conflict, Refused
from signet_operator.apply.events import Reason
from signet_operator.apply.kinds import Object
from signet_operator.apply.leaves import Kept, Leaves
from signet_operator.certificates import Decision, Leaf, Pair, PodTrust, Terms
from signet_operator.desired import bundle, secret
from signet_operator.desired.certificate import OPERATOR, host_names
from signet_operator.names import Tier
from signet_operator.spec import ClusterSpec, Issuer

CLUSTER_UID = f"{names.GROUP}/cluster-uid"  # label of an authority
CLUSTER = f"{names.GROUP}/cluster"  # annotation of an authority: the cluster's namespace and name
LOOK_S = 300.0  # what is in memory is read again: nobody watches Secrets
FIRST = "An authority of the cluster's own was made, which signs its pods' certificates."
ADDED = "A new authority is to be in the bundle of all pods before it signs anything."
PUT_RIGHT = "Somebody changed or deleted the certificates of {}: new ones were made."
REMOVED = "All pods show certificates of the new authority; the older one is gone."


@dataclass(frozen=True, slots=True)
class Trust:
    """`client` is for calls of the pods' admin ports, None: no TLS. `objects` are to be applied."""

    client: ssl.SSLContext | None = None
    objects: tuple[Object, ...] = ()
    changed: tuple[Tell, ...] = ()  # what was done, to be told
    refused: str = ""  # which Secret the API does not let the operator write, and why


@dataclass(slots=True)
class _Known:
    """Of one cluster."""

    certificates: Kept
    read_at: float = float("-inf")
    authorities: tuple[Pair, ...] = ()
    version: str = ""  # resourceVersion of the authorities' Secret, '' for none
    client: ssl.SSLContext | None = None
    client_of: tuple[str, ...] = ()  # bundle and signer that `client` was made with
    client_until: float = 0.0
    asked_by: str | None = None  # resourceVersion of the bundle by which a person has asked


class Secrets:
    """One for the process. `namespace` is the operator's own."""

    def __init__(self, calls: Calls, namespace: str) -> None:
        self._calls, self._namespace, self._leaves = calls, namespace, Leaves(calls)
        self._known: dict[str, _Known] = {}
        self._shared: set[str] = set()  # UIDs of clusters whose shared keys are there

    async def look(
        self, spec: ClusterSpec, pods: Iterable[PodTrust], noted: Object | None, now: float
    ) -> Trust:
        """Make and renew what is due: one step. `noted` is the bundle's ConfigMap, as it is.

        While the cluster is paused, nothing is made, and what there is goes on to be used.

        Raises:
            NotLeader, Unavailable, Refused.
        """
        known = self._known.get(spec.uid)
        if known is None:
            known = self._known[spec.uid] = _Known(Kept(leaves_of(noted)))
        if now - known.read_at > LOOK_S:
            await self._read(spec, known)
            known.read_at = now
        match spec.certificates.issuer:
            case Issuer.OPERATOR if spec.paused:
                return Trust(self._as_it_is(spec, known, tuple(pods), now))
            case Issuer.OPERATOR:
                _forget_if_asked(known, noted)
                return await self._own(spec, known, tuple(pods), now)
            case Issuer.CERT_MANAGER:
                return Trust(known.client)
            case Issuer.NONE:
                return Trust()

    def forget(self, uid: str) -> None:
        """A cluster is gone."""
        self._known.pop(uid, None)
        self._shared.discard(uid)

    async def sweep(self) -> None:
        """Delete the authorities of clusters that are gone, whoever looked when they went.

        Raises:
            NotLeader, Unavailable, Refused.
        """
        for one in await self._calls.list("Secret", self._namespace, CLUSTER_UID, metadata=True):
            uid = one["metadata"]["labels"][CLUSTER_UID]
            if await self._is_gone(uid, one["metadata"].get("annotations") or {}):
                self.forget(uid)
                await self._delete(one)

    async def _is_gone(self, uid: str, notes: Mapping[str, str]) -> bool:
        """By the API's own word: what was watched may be late."""
        namespace, _, name = notes.get(CLUSTER, "").partition("/")
        if not name:
            return False
        try:
            found = await self._calls.get(names.CLUSTER_KIND, namespace, name, metadata=True)
        except Refused:
            return False  # another install's namespace: not ours to judge
        return found is None or found["metadata"]["uid"] != uid

    async def _delete(self, found: Object) -> None:
        meta = found["metadata"]
        await self._calls.delete("Secret", self._namespace, meta["name"], meta["uid"])

    # --- what there is --------------------------------------------------------------------------

    async def _read(self, spec: ClusterSpec, known: _Known) -> None:
        if spec.uid not in self._shared and not spec.paused:
            await self._share(spec)
            self._shared.add(spec.uid)
        known.authorities, known.version = await self._authorities(spec)
        if spec.certificates.issuer is Issuer.CERT_MANAGER:
            known.client = await self._made_for_us(spec)

    async def _share(self, spec: ClusterSpec) -> None:
        keys = secrets.token_bytes(secret.KEY_BYTES), secrets.token_bytes(secret.KEY_BYTES)
        try:
            await self._calls.create(secret.shared(spec, *keys), manager=names.MANAGER)
        except Conflict as conflict:
            if conflict.status != 409:  # 409: retained from a cluster before
                raise

    async def _authorities(self, spec: ClusterSpec) -> tuple[tuple[Pair, ...], str]:
        if spec.certificates.issuer is not Issuer.OPERATOR:
            return (), ""
        found = await self._calls.get("Secret", self._namespace, _name(spec.uid))
        if found is None:
            return (), ""
        data = {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
        count = len(data) // 2
        pairs = tuple(Pair(data[f"{n}.crt"], data[f"{n}.key"]) for n in range(count))
        return pairs, found["metadata"]["resourceVersion"]

    async def _made_for_us(self, spec: ClusterSpec) -> ssl.SSLContext | None:
        """None: cert-manager has not made it yet."""
        name = f"{spec.name}-{OPERATOR}-tls"
        found = await self._calls.get("Secret", spec.namespace, name)
        data = {k: base64.b64decode(v) for k, v in ((found or {}).get("data") or {}).items()}
        if not {"ca.crt", "tls.crt", "tls.key"} <= set(data):
            return None
        return client_context(data["ca.crt"], Pair(data["tls.crt"], data["tls.key"]))

    # --- the operator's own authority -----------------------------------------------------------

    async def _own(
        self, spec: ClusterSpec, known: _Known, pods: tuple[PodTrust, ...], now: float
    ) -> Trust:
        terms = terms_of(spec)
        told: list[Tell] = []
        decision = _decide(known, pods, terms, now)
        if decision.add_authority:
            first = not known.authorities
            made = ca.make_authority(f"{int(now)} of {spec.namespace}/{spec.name}", terms, now)
            await self._keep(spec, known, (*known.authorities, made))
            told.append(Tell(Reason.AUTHORITY_ADDED, FIRST if first else ADDED))
            decision = _decide(known, pods, terms, now)
        if decision.drop_older:
            await self._keep(spec, known, known.authorities[-1:])
            told.append(Tell(Reason.AUTHORITY_REMOVED, REMOVED))
            decision = _decide(known, pods, terms, now)
        told += await self._signed(spec, known, decision, pods, now)
        text = ca.bundle(pair.certificate for pair in known.authorities)
        client = self._client(spec, known, decision.signer, text, now)
        noted = bundle.bundle(spec, text.decode(), _written(known.certificates.leaves))
        refused = "; ".join(known.certificates.refused.values())
        return Trust(client, (noted,), tuple(told), refused)

    def _as_it_is(
        self, spec: ClusterSpec, known: _Known, pods: tuple[PodTrust, ...], now: float
    ) -> ssl.SSLContext | None:
        """For calls of pods. None: they have no certificates yet."""
        if not known.authorities:
            return None
        text = ca.bundle(pair.certificate for pair in known.authorities)
        signer = _decide(known, pods, terms_of(spec), now).signer
        return self._client(spec, known, signer, text, now)

    async def _signed(
        self,
        spec: ClusterSpec,
        known: _Known,
        decision: Decision,
        pods: tuple[PodTrust, ...],
        now: float,
    ) -> list[Tell]:
        """Certificates that are due, and those that somebody has touched."""
        kept, terms, by = known.certificates, terms_of(spec), known.authorities[decision.signer]
        touched = [
            tier
            for tier in await self._leaves.touched(spec, kept, pods, now)
            if tier not in decision.sign
        ]
        told = []
        if made := await self._leaves.sign(spec, kept, decision.sign, by, terms, now):
            tiers = ", ".join(made)
            told.append(Tell(Reason.CERTIFICATES_RENEWED, f"New certificates for {tiers}."))
        if again := await self._leaves.sign(spec, kept, touched, by, terms, now):
            text = PUT_RIGHT.format(", ".join(again))
            told.append(Tell(Reason.CERTIFICATE_PUT_RIGHT, text, warning=True))
        return told

    async def _keep(self, spec: ClusterSpec, known: _Known, authorities: tuple[Pair, ...]) -> None:
        """As the only writer: whoever has written meanwhile is read first, at the next look."""
        wanted = _authority_secret(self._namespace, spec, authorities)
        try:
            if known.version:
                wanted["metadata"]["resourceVersion"] = known.version
                written = await self._calls.apply(wanted, metadata=True)
            else:
                written = await self._calls.create(wanted, manager=names.MANAGER)
        except Conflict:
            self._known.pop(spec.uid, None)
            raise
        known.authorities, known.version = authorities, written["metadata"]["resourceVersion"]

    def _client(
        self, spec: ClusterSpec, known: _Known, signer: int, text: bytes, now: float
    ) -> ssl.SSLContext:
        """Made anew with the authorities, and before its end. Its key is in memory only."""
        of = (ca.bundle_hash(text), ca.fingerprint(known.authorities[signer].certificate))
        if known.client is None or known.client_of != of or now > known.client_until:
            terms, host = terms_of(spec), f"{spec.name}-{OPERATOR}.{spec.namespace}.svc"
            pair, leaf = ca.make_leaf(known.authorities[signer], (host,), terms, now, server=False)
            known.client = client_context(text, pair)
            known.client_of, known.client_until = of, leaf.not_after - terms.renew_before_s
        return known.client


def terms_of(spec: ClusterSpec) -> Terms:
    """What the cluster asks of certificates."""
    asked = spec.certificates
    hosts = {tier: host_names(spec, tier) for tier in Tier}
    return Terms(asked.lifetime_s, asked.renew_before_s, hosts)


def client_context(authorities: bytes, pair: Pair) -> ssl.SSLContext:
    """Shows the certificate, and verifies that of the pod by its name. Nothing is on any disk."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=authorities.decode())
    handle = os.memfd_create("certificate", os.MFD_CLOEXEC)  # OpenSSL reads files only
    try:
        os.write(handle, pair.certificate + pair.key)
        context.load_cert_chain(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)
    return context


def _decide(known: _Known, pods: tuple[PodTrust, ...], terms: Terms, now: float) -> Decision:
    authorities = [pair.certificate for pair in known.authorities]
    return ca.decide(authorities, known.certificates.leaves, pods, terms, now)


def _name(uid: str) -> str:
    return f"signet-authority-{uid}"


def _authority_secret(
    namespace: str, spec: ClusterSpec, authorities: tuple[Pair, ...]
) -> dict[str, Any]:
    data: dict[str, bytes] = {}
    for number, pair in enumerate(authorities):
        data |= {f"{number}.crt": pair.certificate, f"{number}.key": pair.key}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": _name(spec.uid),
            "namespace": namespace,
            "labels": {names.MANAGED_BY_LABEL: names.MANAGER, CLUSTER_UID: spec.uid},
            "annotations": {CLUSTER: f"{spec.namespace}/{spec.name}"},
        },
        "type": "Opaque",
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def _written(leaves: Mapping[Tier, Leaf]) -> str:
    return json.dumps(
        {
            str(tier): {
                "fingerprint": leaf.fingerprint,
                "issuer": leaf.issuer,
                "notAfter": int(leaf.not_after),
                "hosts": list(leaf.hosts),
            }
            for tier, leaf in sorted(leaves.items())
        }
    )


def _forget_if_asked(known: _Known, noted: Object | None) -> None:
    """Our bundle always has its note: where it is gone, a person wants all certificates anew.

    Once: a watch tells late that the note is there again.
    """
    meta = (noted or {}).get("metadata", {})
    if not meta or bundle.CERTIFICATES in (meta.get("annotations") or {}):
        return
    version = str(meta.get("resourceVersion", ""))
    if version != known.asked_by:
        known.asked_by = version
        known.certificates.leaves.clear()


def leaves_of(noted: Object | None) -> dict[Tier, Leaf]:
    """From the bundle's ConfigMap; what is not there, or not by us, is made anew."""
    try:
        said = json.loads((noted or {})["metadata"]["annotations"][bundle.CERTIFICATES])
        return {Tier(tier): _leaf(leaf) for tier, leaf in said.items()}
    except (KeyError, TypeError, ValueError):
        return {}


def _leaf(said: Mapping[str, Any]) -> Leaf:
    return Leaf(
        fingerprint=str(said["fingerprint"]),
        issuer=str(said["issuer"]),
        not_after=float(said["notAfter"]),
        hosts=tuple(map(str, said["hosts"])),
    )
