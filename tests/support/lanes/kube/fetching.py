"""What the lanes of Kubernetes need before their first test runs."""

from collections.abc import Callable

from tests.support.lanes.cache import Say
from tests.support.lanes.kube import cluster, images, programs, stores


def whole(say: Say) -> None:
    """Programs, images, stores: a cluster that chats."""
    cluster.fetch(say)
    for fetch in stores.FETCHES:
        fetch(say)
    images.archive(say)


FETCH: dict[str, Callable[[Say], object]] = {
    "kube-api": programs.control,
    "kwok": programs.fake,
    "kube": whole,
}
