"""Kubernetes, whole: a control plane (`KubeApi`), and nodes that run real pods (`Kube`).

Built from its Go modules (`programs`). Everything of one lane is in one folder and, where it has
nodes, in network namespaces of its own: the machine's addresses and rules stay what they are.
"""

from tests.support.lanes.kube.api import KubeApi
from tests.support.lanes.kube.cluster import Kube
from tests.support.lanes.kube.kubectl import Kubectl, KubectlFailed
from tests.support.lanes.kube.network import Network

__all__ = ["Kube", "KubeApi", "Kubectl", "KubectlFailed", "Network"]
