"""What a person is told when a pod does not start: one line, with what to do and an exit code."""

from pathlib import Path

import pytest

from signet.adapters.schema import OldSchema
from signet.data_folder import FolderInUse
from signet.pod.command import refusal_of
from signet.pod.listening import PortTaken
from signet.pod.stores import StoreRefused, refusing
from signet.pod.tls import BadCertificates
from signet.ports.inbox import StoreUnavailable
from signet.settings import BadSettings


def refused(error: Exception, setting: str) -> StoreRefused:
    with pytest.raises(StoreRefused) as caught, refusing(setting):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("error", "name", "status", "words"),
    [
        (BadSettings("grpc_port: no"), "SETTINGS", 2, "grpc_port: no"),
        (BadCertificates("tls_ca: no"), "SETTINGS", 2, "tls_ca: no"),
        (PortTaken("link_port", 7404), "PORT_TAKEN", 2, "7404 (link_port)"),
        (FolderInUse(Path("/data"), 7), "DATA_IN_USE", 5, "process 7"),
        (StoreUnavailable("no quorum"), "STORE", 4, "no quorum"),
        (refused(OSError("refused"), "members"), "STORE", 4, "members (SIGNET_MEMBERS): refused"),
        (refused(ValueError("bad URL"), "inbox"), "STORE", 4, "inbox (SIGNET_INBOX): bad URL"),
        (refused(OldSchema("1", "2"), "directory"), "OLD_SCHEMA", 5, "signet admin migrate"),
        (OldSchema("", "version 2"), "OLD_SCHEMA", 5, "signet admin migrate"),
    ],
)
def test_what_keeps_a_pod_from_starting_has_a_name_a_reason_and_an_exit_code(
    error: Exception, name: str, status: int, words: str
) -> None:
    refusal = refusal_of(error)
    assert refusal is not None
    assert (refusal.name, refusal.status) == (name, status)
    assert words in refusal.text
    assert refusal.advice


def test_a_bug_keeps_its_traceback() -> None:
    assert refusal_of(KeyError("bug")) is None
