"""The small server with groups: chains at its keys service, one order, and faults by name.

It judges changes by the rules that servers and clients share, numbers what is written, and hands
each member's device its copy. Faults: `listener` (a device that is none of a member's gets
all), `refuse_group_next`, `drop_next_key_for` (a user's next sender key is lost on the way).
"""

import base64
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from signet.client.groups import chain
from signet.core.errors import RULES, Code, SignetError
from signet.core.groups import GroupId, devices_digest
from signet.core.ids import Position, UserId
from signet.core.membership import Membership
from signet.v1 import messaging_pb2 as pb
from signet.v1.groups import looked, read_record
from tests.support.small_keys import Device, Json
from tests.support.small_server import SmallServer, SmallStream


@dataclass
class Log:
    """One group: its chain, and how far its order is."""

    group: Membership
    records: list[bytes] = field(default_factory=list)
    last: int = 0  # of the order


class SmallGroups(SmallServer):
    """`dial` and `http` go into an Environment."""

    def __init__(self) -> None:
        super().__init__()
        self.logs: dict[GroupId, Log] = {}
        self.group_sends: list[pb.GroupSend] = []  # every try that reached the server
        self.listener: Device | None = None  # gets a copy of everything, against the rules
        self.drop_next_key_for: set[bytes] = set()
        self.refuse_group_next: list[Code] = []
        self.bodies: list[bytes] = []  # of all that clients asked: addresses and what was in them
        self._group_next: dict[tuple[bytes, int, bytes], int] = defaultdict(lambda: 1)
        self._group_taken: dict[tuple[bytes, int, bytes], bytes] = {}

    # --- keys -----------------------------------------------------------------------------------

    def _routes(self) -> list[tuple[str, str, Any]]:
        return [
            ("POST", "/v1/groups/changes", self._change),
            ("GET", "/v1/groups", self._groups),
            ("GET", "/v1/groups/(.+)/changes", self._changes),
            ("GET", "/v1/groups/([^/]+)", self._members),
            *super()._routes(),
        ]

    def _rest(self, request: httpx.Request) -> httpx.Response:
        self._query = parse_qs(request.url.query.decode())
        self.bodies.append(str(request.url).encode() + request.content)
        return super()._rest(request)

    def _change(self, _: Device, body: Json) -> httpx.Response:
        record = base64.b64decode(body["record"])
        try:
            self.take(record)
        except SignetError as error:
            return _problem(error.code)
        return httpx.Response(200, json={})

    def take(self, record: bytes) -> None:
        """Take a change, and put it into the order. Raises SignetError."""
        group_id = read_record(record).change.group
        log = self.logs.get(group_id) or Log(chain.founded(group_id))
        if record in log.records:
            return
        after, _ = chain.follow(log.group, record)
        to = {**log.group.members, **after.members}
        log.group = after
        log.records.append(record)
        self.logs[group_id] = log
        self.order(log, to, pb.Item(group_changed=pb.GroupChanged(group=group_id, record=record)))

    def _groups(self, device: Device, _: Json) -> httpx.Response:
        found = [g for g, log in self.logs.items() if UserId(device.user) in log.group.members]
        return httpx.Response(200, json={"groups": [str(UUID(bytes=g)) for g in found]})

    def _changes(self, device: Device, _: Json, group: str) -> httpx.Response:
        log = self.logs.get(GroupId(UUID(group).bytes))
        if log is None or not self._may_look(device, log):
            return _problem(Code.NOT_FOUND)
        after = int(self._query["after"][0])
        records = [base64.b64encode(record).decode() for record in log.records[after:][:3]]
        more = after + len(records) < len(log.records)
        return httpx.Response(200, json={"records": records, "more": more})

    def _members(self, _: Device, __: Json, group: str) -> httpx.Response:
        said = self._mismatch_of(GroupId(UUID(group).bytes))
        members = [
            {
                "user": str(UUID(bytes=one.user)),
                "devices": [
                    {"device_id": d.device_id, "registration_id": d.registration_id}
                    for d in one.devices
                ],
            }
            for one in said.members
        ]
        return httpx.Response(200, json={"members": members})

    def _may_look(self, device: Device, log: Log) -> bool:
        if UserId(device.user) in log.group.members:
            return True
        if "link_proof" not in self._query or not log.group.link:
            return False
        proof = bytes.fromhex(self._query["link_proof"][0])
        try:
            public = Ed25519PublicKey.from_public_bytes(log.group.link)
            public.verify(proof, looked(log.group.group, UserId(device.user)))
        except InvalidSignature:
            return False
        return True

    # --- the stream -----------------------------------------------------------------------------

    def handle(self, stream: SmallStream, frame: pb.ClientFrame) -> None:
        if frame.HasField("group_send") and not stream.over:
            self._group_send(stream, frame.group_send)
        else:
            super().handle(stream, frame)

    def _group_send(self, stream: SmallStream, send: pb.GroupSend) -> None:
        sender = stream.device
        assert sender is not None
        self.group_sends.append(send)
        if self.hold_answers:
            return
        code = self._judge(sender, send)
        answer = pb.Answer(message_id=send.message_id, ordinal=send.ordinal, sent=pb.Sent())
        if code is not None:
            refusal = pb.Refusal(code=code.value)  # type: ignore[arg-type]
            if code is Code.WRONG_GROUP:
                refusal.group.CopyFrom(self._mismatch_of(GroupId(send.group)))
            answer = pb.Answer(message_id=send.message_id, ordinal=send.ordinal, refused=refusal)
        stream.push(pb.ServerFrame(answer=answer))

    def _judge(self, sender: Device, send: pb.GroupSend) -> Code | None:
        """Take it (None), or say why not."""
        if self.refuse_group_next:
            return self.refuse_group_next.pop(0)
        if not send.content and not send.keys:
            return Code.INVALID_ARGUMENT
        log = self.logs.get(GroupId(send.group))
        if log is None or UserId(sender.user) not in log.group.members:
            return Code.NOT_A_MEMBER
        key = (sender.user, sender.id, send.message_id)
        body = send.content + b"".join(key.content for key in send.keys)
        if key in self._group_taken:
            return None if self._group_taken[key] == body else Code.ID_REUSED
        if (send.membership, send.devices) != (log.group.membership, self._digest(log)):
            return Code.WRONG_GROUP
        conversation = (sender.user, sender.id, send.group)
        if send.ordinal not in (self._group_next[conversation], send.base):
            return Code.OUT_OF_ORDER
        self._group_next[conversation] = send.ordinal + 1
        self._group_taken[key] = body
        self._write(log, sender, send)
        return None

    def _write(self, log: Log, sender: Device, send: pb.GroupSend) -> None:
        message = pb.GroupMessage(
            group=send.group,
            membership=log.group.membership,
            sender=sender.user,
            sender_device=sender.id,
            sender_registration_id=sender.registration,
            message_id=send.message_id,
            content=send.content,
        )
        keys = {(key.user, key.device_id): key for key in send.keys}
        self.order(log, log.group.members, pb.Item(group_message=message), sender, keys)

    def order(
        self,
        log: Log,
        to: Any,
        item: pb.Item,
        sender: Device | None = None,
        keys: dict[tuple[bytes, int], pb.GroupKey] | None = None,
    ) -> None:
        """Give it the next place in the group's order, and a copy to each device."""
        follows, log.last = log.last, log.last + 1
        wire = item.group_message if item.HasField("group_message") else item.group_changed
        wire.at.CopyFrom(pb.Position(epoch=1, seq=log.last))
        if follows:
            wire.follows.CopyFrom(pb.Position(epoch=1, seq=follows))
        devices = [d for u in to for d in self.users[u].devices.values()]
        for device in [*devices, *([self.listener] if self.listener else [])]:
            copy = pb.Item.FromString(item.SerializeToString())
            if device is sender:
                copy.group_message.content = b""
            key = (keys or {}).get((device.user, device.id))
            if key is not None and device.user in self.drop_next_key_for:
                self.drop_next_key_for.discard(device.user)
            elif key is not None:
                copy.group_message.key.CopyFrom(key)
            self.push(device, copy)

    def _ack(self, stream: SmallStream, up_to: Position) -> None:
        device = stream.device
        assert device is not None
        taken = [item for item in device.items if _at(item) <= up_to]
        super()._ack(stream, up_to)
        for item in taken:
            message = item.group_message
            if message.content and message.sender != device.user:
                sender = self.users[message.sender].devices.get(message.sender_device)
                delivered = pb.Delivered(
                    by=device.user, by_device=device.id, message_ids=[message.message_id]
                )
                if sender is not None:
                    self.push(sender, pb.Item(delivered=delivered))

    def _digest(self, log: Log) -> bytes:
        return devices_digest(
            {
                user: {d.id: d.registration for d in self.users[user].devices.values()}
                for user in log.group.members
            }
        )

    def _mismatch_of(self, group: GroupId) -> pb.GroupMismatch:
        log = self.logs[group]
        users = [*log.group.members]
        if self.listener is not None:
            users.append(UserId(self.listener.user))
        return pb.GroupMismatch(
            membership=log.group.membership,
            members=[
                pb.MemberDevices(
                    user=user,
                    devices=[
                        pb.MemberDevice(device_id=d.id, registration_id=d.registration)
                        for d in self.users[user].devices.values()
                    ],
                )
                for user in users
            ],
        )


def _at(item: pb.Item) -> Position:
    return Position(item.position.epoch, item.position.seq)


def _problem(code: Code) -> httpx.Response:
    return httpx.Response(RULES[code].http, json={"code": code.name, "retry_after_ms": 0})
