"""An old device lets a new one in: it reads the link, asks for consent, hands over (K7)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from signet.client.account import Keys
from signet.client.device_store import DeviceStore, Tx
from signet.client.errors import Forbidden, LinkOver, NotALink
from signet.client.link_mailbox import Mailbox, from_text
from signet.client.rest import Rest, b64, unb64
from signet.client.sealing import Self
from signet.core.limits import LINK_TTL
from signet.e2e import E2eError, EcKeyPair, pad
from signet.e2e.linking import Agreement, Answer, Shown, agree_as_old, raw
from signet.v1.content_pb2 import Provision

_LABEL = b"signet-link-v1"


@dataclass(frozen=True, slots=True)
class Host:
    """The old device: what it is asked with, and what it does when the new one is there."""

    store: DeviceStore
    me: Self
    keys: Keys
    rest: Rest
    added: Callable[[], Awaitable[None]]


class DeviceRequest:
    """A new device asks to be let in. `code` is what it shows, if nobody stands between.

    Who lets it in hands it the account: it reads all that is written from then on, and holds the
    identity key for as long as that is the account's.
    """

    def __init__(
        self, host: Host, mailbox: Mailbox, shown: Shown, answer: Answer, agreed: Agreement
    ) -> None:
        self.code, self.device_name = agreed.code, answer.device_name
        self._host, self._mailbox, self._shown = host, mailbox, shown
        self._answer, self._agreed = answer, agreed

    async def approve(self) -> int:
        """Hand the account over; the new device's id, when it is there.

        Raises LinkOver, SignetError.
        """
        host, answer, account = self._host, self._answer, self._host.me.account
        signed = b"".join(
            (
                _LABEL,
                account.server_name.encode(),
                self._shown.address,
                account.user,
                answer.login_public,
                answer.registration_id.to_bytes(4, "big"),
            )
        )
        provision = await host.store.run(lambda tx: provision_of(tx, host.me))
        signature = host.me.local.identity.sign(signed, host.me.environment.randomness)
        body = {
            "login_key": b64(answer.login_public),
            "registration_id": answer.registration_id,
            "signature": b64(signature),
            "sealed": b64(self._agreed.seal(pad(provision.SerializeToString()))),
        }
        await host.keys.call("PUT", f"{self._mailbox.path}/approval", body)
        device = int((await self._mailbox.wait_for("device_id"))["device_id"])
        await host.added()
        return device

    async def refuse(self) -> None:
        """The new device is told that its link is over."""
        await self._mailbox.close()


async def read_link(host: Host, text: str) -> DeviceRequest:
    """Meet the device that shows this link.

    Raises:
        NotALink: no link, or one of another server. LinkOver: used, refused, or its time is over.
        SignetError: DEVICE_LIMIT, RATE_LIMITED, …; ServerUnreachable.
    """
    shown = from_text(text)
    if shown.server_name != host.me.account.server_name:
        raise NotALink(f"this is a link of another server, {shown.server_name}")
    env = host.me.environment
    pair = EcKeyPair.generate(env.randomness)
    mailbox = Mailbox(host.rest, shown.address, env.now() + LINK_TTL, env)
    await mailbox.look()
    try:
        await host.keys.call("PUT", f"{mailbox.path}/offer", {"offer": b64(raw(pair))})
    except Forbidden:
        raise LinkOver("another device has read it") from None
    answer = unb64((await mailbox.wait_for("answer"))["answer"])
    try:
        agreed = agree_as_old(shown, pair, answer)
    except E2eError:
        await mailbox.close()
        raise LinkOver("what answered is not the device that shows the link") from None
    return DeviceRequest(host, mailbox, shown, Answer.from_bytes(answer), agreed)


def provision_of(tx: Tx, me: Self) -> Provision:
    """What the new device is handed over."""
    return Provision(
        user_id=me.account.user,
        identity_key=me.account.identity_private,
        user_name=me.account.user_name,
        profile_key=tx.settings.get("profile_key") or b"",
    )
