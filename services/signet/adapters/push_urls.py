"""Who wakes devices, from the setting `push`: URLs with blanks between, one a provider.

| URL | wakes |
|---|---|
| `log:` | nobody: a line of the log for each |
| `webhook:https://HOST/PATH?secret_file=/PATH` | a user's devices, by a service of one's own |
| `web_push:?key_file=/PATH&subject=mailto:…` | browsers; the key is of P-256, in PEM (VAPID) |
| `apns:?key_file=/PATH&key_id=…&team_id=…` | Apple's devices; the key is Apple's `.p8` file |
| `fcm:?account_file=/PATH` | Android, by Firebase; the JSON file of a service account |

For tests alone: `ca_file` is another authority than the system's; `loopback_hosts=NAME,…` of web
push are hosts that may be on this machine's loopback; `production`, `sandbox` of apns and `host` of
fcm are other https addresses than Apple's and Google's.
"""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from signet.ports.push import PushProvider, PushProviders, UserToken
from signet.ports.push_registrations import ApnsEnvironment, PushKind

KNOWN = ("log", "webhook", *(kind.value for kind in PushKind))
Clock = Callable[[], float]


class BadPush(ValueError):
    """One of the URLs cannot be. Says which kind, and why."""


def open_providers(urls: str, clock: Clock) -> PushProviders:
    """`clock` is Unix time in seconds.

    Raises:
        BadPush: a kind is there twice, or lacks something.
        ValueError, OSError: a kind is not one of KNOWN; a key or its file cannot be.
    """
    by_user: dict[str, PushProvider[UserToken]] = {}
    by_kind: dict[PushKind, PushProvider[Any]] = {}
    for url in urls.split():
        name, _, rest = url.partition(":")
        if name in by_user or name in by_kind:
            raise BadPush(f"{name}: is there twice")
        if name in {"log", "webhook"}:
            by_user[name] = _log(rest, clock) if name == "log" else _webhook(rest, clock)
        else:
            kind = PushKind(name)
            by_kind[kind] = _OPENING[kind](_Options(name, rest), clock)
    return PushProviders(by_user, by_kind)


class _Options:
    """What stands behind `?`, each once, all of it known."""

    def __init__(self, name: str, rest: str) -> None:
        self._name = name
        pairs = parse_qsl(rest.removeprefix("?"), keep_blank_values=True)
        self._values = dict(pairs)
        if not rest.startswith("?") or len(self._values) != len(pairs):
            raise BadPush(f"{name}: options follow a ?, each once")

    def take(self, name: str, default: str | None = None) -> str:
        value = self._values.pop(name, default)
        if not value and default is None:
            raise BadPush(f"{self._name}: needs {name}")
        return value or ""

    def file(self, name: str) -> bytes:
        return Path(self.take(name)).read_bytes()

    def https(self, name: str, default: str) -> str:
        value = self.take(name, default)
        if not value.startswith("https://"):
            raise BadPush(f"{self._name}: {name} is an https URL")
        return value.rstrip("/")

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.take("ca_file", "") or None)

    def end(self) -> None:
        if self._values:
            raise BadPush(f"{self._name}: {', '.join(self._values)} is none of its options")


def _log(rest: str, clock: Clock) -> PushProvider[UserToken]:
    from signet.adapters.push_log import LogPush

    if rest:
        raise BadPush("log: has no options")
    return LogPush(clock)


def _webhook(url: str, clock: Clock) -> PushProvider[UserToken]:
    """The file of its secret is not told the receiver."""
    from signet.adapters.push_webhook import WebhookPush

    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    files = [value for name, value in query if name == "secret_file"]
    if len(files) != 1 or not files[0]:
        raise BadPush("webhook: needs one ?secret_file=/PATH")
    rest = [(name, value) for name, value in query if name != "secret_file"]
    address = parts._replace(query=urlencode(rest)).geturl()
    return WebhookPush(address, Path(files[0]).read_bytes().strip(), clock)


def _web_push(options: _Options, clock: Clock) -> PushProvider[Any]:
    from signet.adapters.push_vapid import Vapid, p256_key
    from signet.adapters.push_web import WebPushes

    vapid = Vapid(p256_key(options.file("key_file")), options.take("subject"), clock)
    hosts = [host for host in options.take("loopback_hosts", "").split(",") if host]
    tls = options.tls()
    options.end()
    return WebPushes(vapid, clock, loopback_hosts=hosts, tls=tls)


def _apns(options: _Options, clock: Clock) -> PushProvider[Any]:
    from signet.adapters.push_apns import HOSTS, ApnsPushes, ApnsToken
    from signet.adapters.push_vapid import p256_key

    key = p256_key(options.file("key_file"))
    token = ApnsToken(key, options.take("key_id"), options.take("team_id"), clock)
    hosts = {one: options.https(one.value, HOSTS[one]) for one in ApnsEnvironment}
    tls = options.tls()
    options.end()
    return ApnsPushes(token, clock, hosts=hosts, tls=tls)


def _fcm(options: _Options, clock: Clock) -> PushProvider[Any]:
    from signet.adapters.push_fcm import HOST, FcmPushes, ServiceAccount

    account = ServiceAccount(options.file("account_file"))
    host, tls = options.https("host", HOST), options.tls()
    options.end()
    return FcmPushes(account, clock, host=host, tls=tls)


_OPENING: dict[PushKind, Callable[[_Options, Clock], PushProvider[Any]]] = {
    PushKind.WEB_PUSH: _web_push,
    PushKind.APNS: _apns,
    PushKind.FCM: _fcm,
}
