"""The Job that brings the stores' tables and topics to a schema. It may run again at any time."""

import re

from signet_operator import names
from signet_operator.desired import mounts
from signet_operator.desired.meta import PART_OF, Object, metadata
from signet_operator.desired.places import MIGRATED, SETTINGS, SETTINGS_FILE
from signet_operator.desired.pod import container_security, pod_security
from signet_operator.names import Tier
from signet_operator.spec import ClusterSpec

TRIES = 6
WITHIN_S = 3600


def job_name(spec: ClusterSpec, schema: str) -> str:
    """The same target is the same Job."""
    return f"{spec.name}-migrate-{re.sub(r'[^a-z0-9]+', '-', schema.lower()).strip('-')}"[:63]


def job(spec: ClusterSpec, schema: str) -> Object:
    """Runs `signet admin migrate` of the cluster's version."""
    made = metadata(spec, job_name(spec, schema))
    made["labels"][names.SCHEMA_LABEL] = schema
    labels = {names.NAME_LABEL: f"{PART_OF}-migration", names.INSTANCE_LABEL: spec.name}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": made,
        "spec": {
            "backoffLimit": TRIES,
            "activeDeadlineSeconds": WITHIN_S,
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    **pod_security(),
                    "serviceAccountName": spec.name,
                    "imagePullSecrets": [{"name": name} for name in spec.image.pull_secrets],
                    "restartPolicy": "Never",
                    **_work(spec),
                },
            },
        },
    }


def _work(spec: ClusterSpec) -> Object:
    volumes, mounted = mounts.split(mounts.common(spec, MIGRATED))
    files = mounts.secret_files(spec, MIGRATED)
    container = {
        "name": "migrate",
        "image": spec.image.of(Tier.KEYS),
        "imagePullPolicy": spec.image.pull_policy,
        "command": ["signet"],
        "args": ["admin", "migrate", "--json", "--config", f"{SETTINGS}/{SETTINGS_FILE}"],
        "env": [{"name": name, "value": value} for name, value in files.items()],
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounted,
    }
    return {"containers": [container], "volumes": volumes}
