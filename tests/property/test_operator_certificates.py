"""Certificates of a cluster's pods over years: whoever dials whom is believed, at every moment.

Pods take what they mount late, each at its own time, the bundle and the certificate apart; the
operator sees what they last said. Rule numbers are those of signet_operator/certificates.py.
"""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signet_operator import certificates as ca
from signet_operator.certificates import Leaf, Pair, PodTrust, Terms
from signet_operator.names import Tier

DAY = 86_400
TIERS = (Tier.GATEWAY, Tier.ROUTER)
TERMS = Terms(90 * DAY, 30 * DAY, {tier: (f"*.{tier}.svc", f"{tier}.svc") for tier in TIERS})

pytestmark = pytest.mark.timeout(600)  # many days in virtual time


@dataclass
class Pod:
    """What it has loaded, and what it said of that when it was last asked."""

    tier: Tier
    bundle: tuple[str, ...]
    leaf: Leaf
    text: bytes
    said: PodTrust


class Cluster:
    """The operator's steps, and pods that follow them late."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.authorities: list[Pair] = []
        self.leaves: dict[Tier, Leaf] = {}
        self.pods: list[Pod] = []
        self.look()

    @property
    def text(self) -> bytes:
        return ca.bundle(pair.certificate for pair in self.authorities)

    @property
    def trusted(self) -> tuple[str, ...]:
        return tuple(ca.fingerprint(pair.certificate) for pair in self.authorities)

    def look(self) -> bool:
        """All steps that are due now; whether there were any."""
        moved = False
        while True:
            said = [pod.said for pod in self.pods]
            found = ca.decide(
                [pair.certificate for pair in self.authorities], self.leaves, said, TERMS, self.now
            )
            if found.add_authority:
                self.authorities.append(ca.make_authority("test", TERMS, self.now))
            elif found.drop_older:
                del self.authorities[:-1]
            elif found.sign:
                for tier in found.sign:
                    signer = self.authorities[found.signer]
                    _, self.leaves[tier] = ca.make_leaf(signer, TERMS.hosts[tier], TERMS, self.now)
            else:
                return moved
            moved = True

    def start(self, tier: Tier) -> None:
        """A pod starts with what is there."""
        leaf = self.leaves[tier]
        said = PodTrust(tier, "", "")
        self.pods.append(Pod(tier, self.trusted, leaf, self.text, said))

    def take_bundle(self, pod: Pod) -> None:
        pod.bundle, pod.text = self.trusted, self.text

    def take_leaf(self, pod: Pod) -> None:
        pod.leaf = self.leaves[pod.tier]

    def ask(self, pod: Pod) -> None:
        pod.said = PodTrust(pod.tier, ca.bundle_hash(pod.text), pod.leaf.fingerprint)

    def check(self) -> None:
        for one in self.pods:
            for other in self.pods:
                assert one.leaf.issuer in other.bundle
        assert len(self.authorities) <= 2


STEP = st.tuples(
    st.sampled_from(("look", "bundle", "leaf", "ask", "start", "stop", "days")),
    st.integers(0, 7),
)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEP, max_size=120), years=st.floats(7.5, 9.5))
def test_every_pod_believes_every_other_while_authorities_and_certificates_change(
    steps: list[tuple[str, int]], years: float
) -> None:
    cluster = Cluster(0.0)
    for tier in TIERS:
        cluster.start(tier)
        cluster.start(tier)
    cluster.now = years * 365 * DAY  # soon the authority is to be followed by another
    for what, number in steps:
        pod = cluster.pods[number % len(cluster.pods)]
        match what:
            case "look":
                cluster.look()
            case "bundle":
                cluster.take_bundle(pod)
            case "leaf":
                cluster.take_leaf(pod)
            case "ask":
                cluster.ask(pod)
            case "start":
                cluster.start(TIERS[number % 2])
            case "stop" if len(cluster.pods) > 1:
                cluster.pods.remove(pod)
            case "days":
                cluster.now += number * 5 * DAY
        cluster.check()


@settings(max_examples=20, deadline=None)
@given(quiet=st.integers(1, 5))
def test_certificates_are_renewed_for_thirty_years_and_never_run_out(quiet: int) -> None:
    cluster = Cluster(0.0)
    for tier in TIERS:
        cluster.start(tier)
    first = cluster.authorities[0].certificate
    while cluster.now < 30 * 365 * DAY:
        cluster.now += quiet * 5 * DAY
        moved = True
        while moved:
            moved = cluster.look()
            for pod in cluster.pods:
                cluster.take_bundle(pod)
                cluster.take_leaf(pod)
                cluster.ask(pod)
            cluster.check()
        assert all(pod.leaf.not_after > cluster.now for pod in cluster.pods)
        assert all(ca.ends(pair.certificate) > cluster.now for pair in cluster.authorities)
    assert cluster.authorities[0].certificate != first
    assert len(cluster.authorities) == 1  # C4: the older one went
