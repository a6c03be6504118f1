"""Blobs in a bucket of S3, or of anything that speaks it.

What may be relied upon: a blob appears whole or not at all. Up to BLOB_PART it goes up in one
request that S3 refuses if the name is taken; a larger one goes up in parts, and its name is
looked at before: two who put the same new name at the same moment may both succeed, and one of
the two stands, whole. How durable a blob is, is the bucket's matter. Parts of an upload that
ended in the middle are thrown away; where that fails too, the bucket's own rule for incomplete
uploads must do it. No request takes longer than BLOB_TIMEOUT.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, GenericError
from obstore.store import S3Store

from signet.adapters.blobs_length import exactly
from signet.adapters.blobs_signed import check
from signet.adapters.s3_presigned import Credentials, presigned
from signet.core import limits
from signet.ports.blobs import NAME, BlobExists, BlobInfo, BlobNotFound, Method

if TYPE_CHECKING:  # they exist for type checkers alone
    from obstore.store import ClientConfig, S3Config

CHUNK = 256 * 1024  # what `get` yields at the least, but for the last
PARTS_AT_ONCE = 2
RETRIES = 3
LISTED = 1_000  # what S3 lists, and deletes, in one request


class S3Blobs:
    """`endpoint` is "" for AWS itself; plain HTTP is taken only if the endpoint says so.

    `authority` is the PEM text of one that is trusted besides the system's. `public` is where
    those find it to whom a URL is given; "" is `endpoint`.
    """

    def __init__(
        self,
        bucket: str,
        *,
        access_key: str,
        secret_key: str,
        region: str = "us-east-1",
        endpoint: str = "",
        public: str = "",
        authority: str = "",
        timeout_s: float = limits.BLOB_TIMEOUT,
    ) -> None:
        bound = timedelta(seconds=timeout_s)
        where: S3Config = {
            "access_key_id": access_key,
            "secret_access_key": secret_key,
            "region": region,
        }
        client: ClientConfig = {
            "allow_http": endpoint.startswith("http://"),
            "timeout": bound,
            "connect_timeout": min(bound, timedelta(seconds=2)),
        }
        if authority:
            client["root_certificate"] = authority
        self._store = S3Store(
            bucket,
            config=_at(endpoint, where),
            client_options=client,
            retry_config={"max_retries": RETRIES, "retry_timeout": bound},
        )
        self._signer = S3Store(bucket, config=_at(public or endpoint, where))  # sends nothing
        self._credentials = Credentials(access_key, secret_key, region)

    async def put(self, name: str, chunks: AsyncIterator[bytes], size: int) -> BlobInfo:
        """See Blobs.

        Raises:
            ConnectionError: S3 did not answer; whether the blob is there is unknown.
        """
        if not NAME.fullmatch(name):
            raise ValueError("a blob's name has 1-200 letters, digits, - and _")
        with _unavailable():
            if size <= limits.BLOB_PART:
                await self._put_whole(name, chunks, size)
            else:
                await self._put_parts(name, chunks, size)
        return await self.info(name)

    async def get(self, name: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """See Blobs. A range beyond the end is cut off there.

        Raises:
            ConnectionError: S3 did not answer, on any step.
        """
        size = (await self.info(name)).size
        stop = size if end is None else min(end, size)
        if start >= stop:
            return
        with _unavailable():
            found = await obstore.get_async(self._store, name, options={"range": (start, stop)})
            async for chunk in found.stream(min_chunk_size=CHUNK):
                yield bytes(chunk)

    async def info(self, name: str) -> BlobInfo:
        """See Blobs.

        Raises:
            ConnectionError: S3 did not answer.
        """
        if not NAME.fullmatch(name):
            raise BlobNotFound(name)
        with _unavailable():
            try:
                found = await obstore.head_async(self._store, name)
            except FileNotFoundError:
                raise BlobNotFound(name) from None
        return BlobInfo(name, found["size"], int(found["last_modified"].timestamp() * 1000))

    async def delete(self, name: str) -> None:
        """See Blobs.

        Raises:
            ConnectionError: S3 did not answer; whether the blob is there is unknown.
        """
        if NAME.fullmatch(name):
            with _unavailable():
                try:
                    await obstore.delete_async(self._store, name)
                except FileNotFoundError:
                    return

    async def delete_between(self, after: str, before: str) -> int:
        """See Blobs. S3 lists in the order of names: what comes after is not looked at.

        Raises:
            ConnectionError: S3 did not answer; some may be gone.
        """
        gone = 0
        with _unavailable():
            async for page in obstore.list(self._store, offset=after, chunk_size=LISTED):
                names = [found["path"] for found in page if after < found["path"] < before]
                if names:
                    await obstore.delete_async(self._store, names)
                gone += len(names)
                if len(names) < len(page):
                    break
        return gone

    async def sign(self, method: Method, name: str, expires_s: int, size: int | None = None) -> str:
        """See Blobs. Asks nobody."""
        check(method, name, expires_s)
        life = timedelta(seconds=expires_s)
        url = await obstore.sign_async(self._signer, method, name, life)
        if size is None:
            return url
        return presigned(
            method,
            url.partition("?")[0],
            self._credentials,
            headers={"content-length": str(size), "if-none-match": "*"},
            expires_s=expires_s,
            now=datetime.now(UTC),
        )

    async def close(self) -> None:
        """Connections end with the object."""

    async def _put_whole(self, name: str, chunks: AsyncIterator[bytes], size: int) -> None:
        whole = b"".join([chunk async for chunk in exactly(chunks, size)])
        try:
            await obstore.put_async(self._store, name, whole, mode="create")
        except AlreadyExistsError:
            raise BlobExists("there is a blob of that name") from None

    async def _put_parts(self, name: str, chunks: AsyncIterator[bytes], size: int) -> None:
        try:
            await obstore.head_async(self._store, name)
        except FileNotFoundError:
            await obstore.put_async(
                self._store,
                name,
                exactly(chunks, size),
                use_multipart=True,
                chunk_size=limits.BLOB_PART,
                max_concurrency=PARTS_AT_ONCE,
            )
        else:
            raise BlobExists("there is a blob of that name")


def _at(endpoint: str, where: "S3Config") -> "S3Config":
    return {**where, "endpoint": endpoint} if endpoint else where


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except GenericError as error:
        raise ConnectionError("S3 did not answer") from error
