"""Events on Kafka: push hints from a bounded buffer, audit events by way of the disk.

Two topics, `signet.push` and `signet.audit`, keyed by user, so that one user's events stay in
order. Messages are JSON. The producer is idempotent and asks for all replicas.

What may be relied upon: `publish` takes microseconds, whatever Kafka does. A hint that finds the
buffer full, or that Kafka does not take within EVENT_TIMEOUT, is dropped and counted. An audit
event is in the spool before `publish` returns and leaves it once Kafka has it: it may come late
and twice, and is lost only with the disk, or beyond AUDIT_SPOOL_BYTES (logged as an error).
A group gets each event at least once, from the moment of its first subscription on, by Kafka's
time; where it had got to is committed once a second.
"""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from signet.adapters.events_lines import decode, encode
from signet.adapters.events_spool import Spool
from signet.clocks import unix_ms
from signet.core import limits
from signet.ports.events import Event, Topic

log = structlog.get_logger(__name__)

POLL_S = 0.1  # how long the thread waits for Kafka; an audit event starts so much later
RETRY_S = 1.0  # after audit events that Kafka did not take
CONSUME = 100  # events that a group takes at once
CALL_S = 5.0  # a question about topics or positions
PING_S = 2.0  # a question whether it is there; a process that ends waits for it
SESSION_MS = 10_000  # a consumer that is dead is found out after this
QUIET = logging.getLogger("signet.kafka")
QUIET.setLevel(logging.CRITICAL)  # librdkafka logs each failed try; what matters is logged here

NOT_YET = {  # a broker that has no controller yet
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError.NOT_CONTROLLER,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.INVALID_REPLICATION_FACTOR,  # fewer brokers than replicas are registered
}
COMMON: dict[str, Any] = {
    "log_level": 0,
    "socket.timeout.ms": 10_000,
    "reconnect.backoff.max.ms": 1_000,
}


@dataclass(slots=True)
class _Sending:
    """Audit events on their way. Used in the producer's thread alone."""

    end: int = 0  # of the spool, behind them
    open: int = 0
    failed: bool = False


class KafkaEvents:
    """Events on Kafka 3.3 or later.

    `spool` is a folder of this process alone. `settings` are librdkafka's, for TLS and logins.
    `dropped` is called for each hint that is lost, in any thread.
    """

    def __init__(
        self,
        bootstrap: str,
        spool: Path,
        *,
        dropped: Callable[[], None],
        prefix: str = "signet.",
        settings: Mapping[str, Any] | None = None,
        buffer: int = limits.EVENT_BUFFER,
        timeout_s: float = limits.EVENT_TIMEOUT,
    ) -> None:
        self._common = COMMON | {"bootstrap.servers": bootstrap} | dict(settings or {})
        self._prefix, self._dropped = prefix, dropped
        self._spool = Spool(spool, limits.AUDIT_SPOOL_BYTES)
        self._producer = Producer(
            self._common
            | {
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 5,
                "queue.buffering.max.messages": buffer,
                "message.timeout.ms": round(timeout_s * 1000),
                "error_cb": self._failed,
            },
            logger=QUIET,
        )
        self._sending: _Sending | None = None
        self._not_before = 0.0
        self._is_away = False
        self._stopping = threading.Event()
        self._subscriptions: set[_Subscription] = set()
        self._thread = threading.Thread(target=self._run, name="events-kafka", daemon=True)
        self._thread.start()

    def publish(self, event: Event) -> None:
        """See Events."""
        line = encode(event)
        if event.topic is Topic.AUDIT:
            if not self._spool.append(line):
                log.error("an audit event is lost: there is no room for it on disk")
            return
        try:
            self._producer.produce(
                self._topic(Topic.PUSH), line, bytes(event.user), on_delivery=self._hint_arrived
            )
        except (BufferError, KafkaException):
            self._dropped()

    def subscribe(self, topic: Topic, group: str) -> AsyncIterator[Event]:
        """See Events. Members of one group share the partitions of the topic."""
        end = self._subscriptions.discard
        subscription = _Subscription(self._common, self._topic(topic), group, end)
        self._subscriptions.add(subscription)
        return subscription.follow()

    async def ping(self) -> None:
        """Ask whether the topic of hints has a leader. Raises ConnectionError."""
        topic = self._topic(Topic.PUSH)
        try:
            found = await asyncio.to_thread(self._producer.list_topics, topic, PING_S)
        except KafkaException as error:
            raise ConnectionError(f"Kafka: {error}") from error
        if (refused := found.topics[topic].error) is not None:
            raise ConnectionError(f"Kafka: {refused}")

    async def close(self) -> None:
        """Wait up to EVENT_FLUSH for what is on its way. Audit events stay in the spool."""
        await asyncio.gather(*(one.close() for one in self._subscriptions))
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)
        self._spool.close()

    def _topic(self, topic: Topic) -> str:
        return self._prefix + topic.value

    def _run(self) -> None:
        """The producer's thread: answers of Kafka arrive here."""
        while not self._stopping.is_set():
            self._producer.poll(POLL_S)
            self._send_audit()
        self._producer.flush(limits.EVENT_FLUSH)
        self._finish_audit()

    def _send_audit(self) -> None:
        """One batch at a time: the next starts when all of it has arrived, in order."""
        self._finish_audit()
        if self._sending is not None or time.monotonic() < self._not_before:
            return
        lines = self._spool.read()
        if not lines:
            return
        self._spool.sync()
        self._sending = sending = _Sending()
        for line, end in lines:
            try:
                key = bytes(decode(line).user)
                self._producer.produce(
                    self._topic(Topic.AUDIT), line, key, on_delivery=self._audit_arrived
                )
            except (BufferError, KafkaException):
                break
            sending.open += 1
            sending.end = end

    def _finish_audit(self) -> None:
        sending = self._sending
        if sending is None or sending.open:
            return
        self._sending = None
        if sending.failed or not sending.end:
            self._not_before = time.monotonic() + RETRY_S
        else:
            self._spool.sent(sending.end)

    def _audit_arrived(self, error: KafkaError | None, _message: Message) -> None:
        if self._sending is not None:
            self._sending.open -= 1
            self._sending.failed |= error is not None
        self._note(error)

    def _hint_arrived(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._dropped()
        self._note(error)

    def _failed(self, error: KafkaError) -> None:
        self._note(error)

    def _note(self, error: KafkaError | None) -> None:
        if error is not None and not self._is_away:
            log.warning("kafka is away", reason=error.name())
        elif error is None and self._is_away:
            log.info("kafka is back")
        self._is_away = error is not None


class _Subscription:
    """One consumer, whose calls block in a thread of its own. `end` is told when it is closed."""

    def __init__(
        self,
        common: Mapping[str, Any],
        topic: str,
        group: str,
        end: "Callable[[_Subscription], None]",
    ) -> None:
        self._end = end
        self._since_ms = unix_ms()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="events-consumer")
        self._closed = False
        self._consumer = Consumer(
            dict(common)
            | {
                "group.id": group,
                "auto.offset.reset": "latest",
                "enable.auto.commit": True,
                "auto.commit.interval.ms": 1_000,
                "enable.auto.offset.store": False,
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": SESSION_MS,
            },
            logger=QUIET,
        )
        self._consumer.subscribe([topic], on_assign=self._assigned)

    async def follow(self) -> AsyncIterator[Event]:
        loop = asyncio.get_running_loop()
        try:
            while not self._closed:
                messages = await loop.run_in_executor(self._thread, self._take)
                for message in messages:
                    if (event := _event(message)) is not None:
                        yield event
                        self._done(message)  # asked for the next: this one is dealt with
        finally:
            await self.close()

    async def close(self) -> None:
        """Commit where it has got to and leave the group; a Kafka that is away finds out later."""
        if not self._closed:
            self._closed = True
            self._end(self)
            loop = asyncio.get_running_loop()
            closing = loop.run_in_executor(self._thread, self._consumer.close)
            await asyncio.wait([closing], timeout=limits.EVENT_FLUSH)
            self._thread.shutdown(wait=False)

    def _take(self) -> list[Message]:
        return [] if self._closed else self._consumer.consume(CONSUME, POLL_S)

    def _done(self, message: Message) -> None:
        if not self._closed:
            self._consumer.store_offsets(message=message)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Go on where the group was; one that is new starts with what came since it subscribed."""
        try:
            partitions = self._starts(consumer, partitions)
        except KafkaException as error:
            log.warning("positions of a group are not known", reason=str(error))
        consumer.incremental_assign(partitions)

    def _starts(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        known = consumer.committed(partitions, timeout=CALL_S)
        new = [one for one in known if one.offset < 0]
        if not new:
            return known
        ends = [consumer.get_watermark_offsets(one, timeout=CALL_S)[1] for one in new]
        asked = [TopicPartition(one.topic, one.partition, self._since_ms) for one in new]
        since = consumer.offsets_for_times(asked, timeout=CALL_S)
        starts = [
            # the end was read first: what comes after the two questions is not passed over
            TopicPartition(one.topic, one.partition, end if one.offset < 0 else one.offset)
            for one, end in zip(since, ends, strict=True)
        ]
        consumer.commit(offsets=starts, asynchronous=True)
        return [one for one in known if one.offset >= 0] + starts


def _event(message: Message) -> Event | None:
    """None for an error, and for what a version after this one may write."""
    value = message.value()
    if message.error() is not None or value is None:
        return None
    try:
        return decode(value)
    except (ValueError, KeyError):
        return None


def create_topics(
    bootstrap: str,
    *,
    partitions: int,
    replicas: int,
    prefix: str = "signet.",
    settings: Mapping[str, Any] | None = None,
    within_s: float = 40.0,
) -> None:
    """Make the topics that are not there; blocks.

    A broker that starts, or was away for longer than its session, answers before it has a
    controller: that is asked again for `within_s` seconds.

    Raises:
        KafkaException: it cannot be done.
    """
    deadline = time.monotonic() + within_s
    admin = AdminClient(COMMON | {"bootstrap.servers": bootstrap} | dict(settings or {}))
    names = [prefix + topic.value for topic in Topic]
    while names:
        topics = [NewTopic(name, partitions, replicas) for name in names]
        made = admin.create_topics(topics, request_timeout=CALL_S)
        names = [name for name, future in made.items() if not _made(future, deadline)]


def _made(future: Future[None], deadline: float) -> bool:
    """Whether the topic is there; False: to be asked again. Raises KafkaException."""
    try:
        future.result(2 * CALL_S)
    except KafkaException as error:
        why = error.args[0]
        code = why.code() if isinstance(why, KafkaError) else None
        if code == KafkaError.TOPIC_ALREADY_EXISTS:
            return True
        if code not in NOT_YET or time.monotonic() > deadline:
            raise
        return False
    return True
