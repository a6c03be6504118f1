"""Custom resources of a real API server, by HTTP: created, changed, tried (dry run), refused."""

import json
from pathlib import Path
from typing import Any

from kubernetes import client, config

from signet_operator.names import GROUP, VERSION

Object = dict[str, Any]


class Refused(Exception):
    """What the API server says of an object that it does not take."""


class Resources:
    """One plural of ours in one namespace. `user`: in whose name it is asked ('' the admin's)."""

    def __init__(self, kubeconfig: Path, plural: str, namespace: str, user: str = "") -> None:
        self._api = client.CustomObjectsApi(connected(kubeconfig, user))
        self.namespace = namespace
        self._where = (GROUP, VERSION, namespace, plural)

    def create(self, resource: Object, *, tried: bool = False) -> Object:
        """As it is stored. `tried`: nothing is."""
        return self._call(
            "create_namespaced_custom_object", resource, **({"dry_run": "All"} if tried else {})
        )

    def merge(self, name: str, change: Object, *, tried: bool = False) -> Object:
        """A merge patch."""
        return self._call(
            "patch_namespaced_custom_object",
            name,
            change,
            _content_type="application/merge-patch+json",
            **({"dry_run": "All"} if tried else {}),
        )

    def merge_status(self, name: str, change: Object) -> Object:
        return self._call(
            "patch_namespaced_custom_object_status",
            name,
            change,
            _content_type="application/merge-patch+json",
        )

    def scale(self, name: str, replicas: int, *, tried: bool = False) -> Object:
        """By the scale subresource, as autoscalers do."""
        return self._call(
            "patch_namespaced_custom_object_scale",
            name,
            {"spec": {"replicas": replicas}},
            _content_type="application/merge-patch+json",
            **({"dry_run": "All"} if tried else {}),
        )

    def get(self, name: str) -> Object:
        return self._call("get_namespaced_custom_object", name)

    def delete(self, name: str) -> None:
        self._call("delete_namespaced_custom_object", name)

    def _call(self, verb: str, *what: Any, **options: Any) -> Object:
        try:
            found: Object = getattr(self._api, verb)(*self._where, *what, **options)
        except client.ApiException as refused:
            raise Refused(said(refused)) from None
        return found


def connected(kubeconfig: Path, user: str) -> client.ApiClient:
    made = config.new_client_from_config(str(kubeconfig))  # type: ignore[no-untyped-call]
    if user:
        made.set_default_header("Impersonate-User", user)
    found: client.ApiClient = made
    return found


def patch_secret(kubeconfig: Path, user: str, namespace: str, name: str, change: Object) -> None:
    """A merge patch and nothing else: kubectl reads first. Raises Refused."""
    api = client.CoreV1Api(connected(kubeconfig, user))
    try:
        api.patch_namespaced_secret(
            name, namespace, change, _content_type="application/merge-patch+json"
        )
    except client.ApiException as refused:
        raise Refused(said(refused)) from None


def said(refused: client.ApiException) -> str:
    """The message of the API's answer."""
    try:
        return str(json.loads(refused.body or "")["message"])
    except (TypeError, ValueError, KeyError):
        return f"{refused.status} {refused.reason}"


def may(kubeconfig: Path, user: str, namespace: str, verb: str, group: str, resource: str) -> bool:
    """Whether a user is allowed to, as the API server sees it."""
    name, _, sub = resource.partition("/")
    attributes = client.V1ResourceAttributes(
        namespace=namespace, verb=verb, group=group, resource=name, subresource=sub
    )
    asked = client.V1SubjectAccessReview(
        spec=client.V1SubjectAccessReviewSpec(user=user, resource_attributes=attributes)
    )
    api = client.AuthorizationV1Api(connected(kubeconfig, ""))
    status = api.create_subject_access_review(asked).status
    return status is not None and bool(status.allowed)
