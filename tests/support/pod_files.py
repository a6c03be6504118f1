"""What an operator gives a pod for TLS: PEM files of its certificate, its key and the authority."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from tests.support.certificates import LOOPBACK, Authority


@dataclass(frozen=True, slots=True)
class Files:
    """Paths of PEM files."""

    ca: Path
    cert: Path
    key: Path

    def client(self) -> ssl.SSLContext:
        """Of a caller that has this certificate and trusts its authority."""
        context = ssl.create_default_context(cafile=self.ca)
        context.load_cert_chain(self.cert, self.key)
        return context


class Folder:
    """Files of one authority."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path, self._authority = path, Authority()
        self.ca = path / "ca.crt"
        self.ca.write_bytes(self._authority.certificate)

    def issue(self, name: str, address: str = LOOPBACK) -> Files:
        """For a server and client at that address; again under the name, it is another one."""
        files = Files(self.ca, self._path / f"{name}.crt", self._path / f"{name}.key")
        files.key.touch(mode=0o600)
        self._authority.sign(address=address).write(files.cert, files.key)
        return files
