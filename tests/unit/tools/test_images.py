"""What images are made of: the lock, one Dockerfile a role, and a bill that is read from them."""

import json
from pathlib import Path

import pytest

from tools import images, locked, sbom


def dockerfile(role: str) -> str:
    return (images.DOCKER / f"{role}.Dockerfile").read_text()


def test_servers_get_their_libraries_and_no_tools() -> None:
    names = locked.needed()
    assert {"grpcio", "cassandra-driver", "uvloop"} <= names
    assert not {"pytest", "mypy", "signet", "kopf"} & names


def test_the_operator_gets_what_only_it_needs_besides() -> None:
    assert "kopf" in locked.needed("operator") - locked.needed()


def test_what_is_pinned_is_one_version_each_with_hashes() -> None:
    pinned = locked.pinned(locked.needed("operator"))
    lines = [line for line in pinned.splitlines() if "==" in line]
    names = [line.split("==")[0] for line in lines]
    assert len(names) == len(set(names)) == len(locked.needed("operator"))
    assert not [line for line in lines if ";" in line]
    assert pinned.count("--hash=sha256:") >= len(names)


def test_what_the_lock_lacks_is_named() -> None:
    with pytest.raises(ValueError, match="lacks no-such-thing"):
        locked.pinned({"no-such-thing"})


@pytest.mark.parametrize("role", images.ROLES)
def test_every_image_shares_its_first_layers(role: str) -> None:
    def stage(text: str) -> str:
        return text.partition("AS libraries")[2].partition("\n\n")[0]

    assert stage(dockerfile(role)) == stage(dockerfile("gateway")) != ""


@pytest.mark.parametrize("role", images.ROLES)
def test_every_image_runs_as_a_numbered_user_that_is_not_root(role: str) -> None:
    (line,) = [line for line in dockerfile(role).splitlines() if line.startswith("USER ")]
    assert line == "USER 10001:10001"


def test_a_bill_names_what_an_image_holds(tmp_path: Path) -> None:
    about = tmp_path / "opt/signet/libraries/thing-1.2.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: A_Thing\nVersion: 1.2\n")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('ID=debian\nVERSION_ID="12"\n')
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(
        "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n"
    )
    bill = json.loads(sbom.of(tmp_path, "signet-gateway"))
    assert bill["metadata"]["component"]["name"] == "signet-gateway"
    assert [one["purl"] for one in bill["components"]] == [
        "pkg:deb/debian/libc6@2.36?arch=amd64&distro=debian-12",
        "pkg:pypi/a-thing@1.2",
    ]
