"""What goes out when, driven by hand: no network, no clock."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from edged.bus.delivery import RESERVE, Delivery, Outgoing
from edged.bus.outbox import MemoryOutbox
from tests.bus.outbox_suite import outgoing

AVAILABILITY = "a/availability"


class Broker:
    """The far end: takes what is due, numbers it, acknowledges when told."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.mid = 0
        self.open: dict[int, Outgoing] = {}
        self.taken: list[Outgoing] = []

    def connect(self, receive_maximum: int = 100) -> None:
        self.mid = 0
        self.open.clear()
        self.delivery.connected(receive_maximum)

    def disconnect(self) -> None:
        self.delivery.disconnected()
        self.open.clear()

    def take(self, most: int = 1000) -> list[Outgoing]:
        taken: list[Outgoing] = []
        while len(taken) < most and (each := self.delivery.next()) is not None:
            self.mid += 1
            self.delivery.sent(each, self.mid, float(self.mid))
            self.open[self.mid] = each
            taken.append(each)
        self.taken += taken
        return taken

    def acknowledge(self, *mids: int) -> None:
        for mid in mids or tuple(self.open):
            del self.open[mid]
            self.delivery.acknowledged(mid)
        self.delivery.settle()


def make(limit: int = 10_000) -> tuple[Delivery, Broker, MemoryOutbox]:
    outbox = MemoryOutbox(limit)
    delivery = Delivery(outbox, final_topic=AVAILABILITY)
    return delivery, Broker(delivery), outbox


def said(taken: list[Outgoing]) -> list[tuple[str, bytes]]:
    return [(each.topic, each.payload.strip()) for each in taken]


def test_nothing_is_sent_while_not_connected() -> None:
    delivery, broker, _ = make()
    delivery.latest("s", b"1")
    delivery.event(outgoing(1))
    assert broker.take() == []
    broker.connect()
    assert len(broker.take()) == 2
    broker.disconnect()
    delivery.event(outgoing(2))
    assert broker.take() == []


def test_an_unchanged_state_is_not_sent_again() -> None:
    delivery, broker, _ = make()
    broker.connect()
    assert delivery.latest("s", b"1")
    assert said(broker.take()) == [("s", b"1")]
    broker.acknowledge()
    assert not delivery.latest("s", b"1")
    assert broker.take() == []


def test_of_values_set_while_one_is_under_way_only_the_last_follows() -> None:
    delivery, broker, _ = make()
    broker.connect()
    delivery.latest("s", b"1")
    broker.take()
    for value in (b"2", b"3", b"4"):
        delivery.latest("s", value)
        assert broker.take() == []
    broker.acknowledge()
    assert said(broker.take()) == [("s", b"4")]


def test_a_connect_makes_every_state_due_and_availability_last() -> None:
    delivery, broker, _ = make()
    delivery.latest(AVAILABILITY, b"online")
    delivery.latest("s", b"1")
    delivery.latest("t", b"1")
    for _ in range(2):
        broker.connect()
        assert said(broker.take()) == [("s", b"1"), ("t", b"1"), (AVAILABILITY, b"online")]
        broker.disconnect()
        delivery.latest("s", b"1")


def test_the_window_of_the_broker_is_kept_and_events_leave_room_for_states() -> None:
    delivery, broker, _ = make()
    for number in range(100):
        delivery.event(outgoing(number))
    broker.connect(receive_maximum=20)
    assert len(broker.take()) == 20 - RESERVE
    delivery.latest("s", b"1")
    delivery.once("answer", b"")
    assert [each.topic for each in broker.take()] == ["answer", "s"]
    broker.acknowledge(1)
    assert [each.kind for each in broker.take()] == ["event"]


def test_a_window_of_one_works() -> None:
    delivery, broker, outbox = make()
    for number in range(3):
        delivery.event(outgoing(number))
    delivery.latest("s", b"1")
    broker.connect(receive_maximum=1)
    while broker.take():
        assert len(broker.open) == 1
        broker.acknowledge()
    assert len(broker.taken) == 4
    assert len(outbox) == 0


def test_after_a_break_events_start_again_at_the_oldest_unacknowledged() -> None:
    delivery, broker, _ = make()
    for number in range(5):
        delivery.event(outgoing(number))
    broker.connect()
    broker.take()
    broker.acknowledge(1, 3)
    broker.disconnect()
    broker.connect()
    assert [payload for _, payload in said(broker.take())] == [b"1", b"3", b"4"]


def test_an_answer_that_was_not_acknowledged_is_repeated_in_its_place() -> None:
    delivery, broker, _ = make()
    broker.connect()
    delivery.once("first", b"")
    delivery.once("second", b"")
    broker.take()
    broker.disconnect()
    delivery.once("third", b"")
    broker.connect()
    assert [each.topic for each in broker.take()] == ["first", "second", "third"]


def test_waiting_answers_are_bounded() -> None:
    delivery, broker, _ = make()
    for number in range(1000):
        delivery.once(str(number), b"")
    broker.connect(1000)
    taken = []
    while got := broker.take():
        taken += [each.topic for each in got]
        broker.acknowledge()
    assert taken == [str(number) for number in range(744, 1000)]


def test_what_the_broker_refuses_counts_as_lost_and_does_not_block() -> None:
    delivery, broker, outbox = make()
    broker.connect()
    delivery.event(outgoing(1))
    delivery.event(outgoing(2))
    broker.take()
    delivery.acknowledged(1, refused=True)
    delivery.acknowledged(2)
    delivery.settle()
    assert (len(outbox), delivery.lost_events, delivery.idle) == (0, 1, True)


def test_an_answer_to_an_unknown_id_changes_nothing() -> None:
    delivery, broker, _ = make()
    broker.connect()
    delivery.event(outgoing(1))
    broker.take()
    assert delivery.acknowledged(99) is None
    assert not delivery.idle


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_event_is_lost_or_overtaken_whatever_breaks(data: st.DataObject) -> None:
    delivery, broker, outbox = make()
    added = 0
    received: list[int] = []
    connected = False
    window = 0
    for _ in range(data.draw(st.integers(1, 60))):
        match data.draw(st.sampled_from(["add", "connect", "break", "take", "acknowledge", "state"])):
            case "add":
                delivery.event(outgoing(added))
                added += 1
            case "state":
                delivery.latest("s", str(data.draw(st.integers(0, 3))).encode())
            case "connect" if not connected:
                window = data.draw(st.integers(1, 12))
                broker.connect(window)
                connected = True
            case "break" if connected:
                broker.disconnect()
                connected = False
            case "take":
                taken = broker.take(data.draw(st.integers(1, 5)))
                received += [int(each.payload) for each in taken if each.kind == "event"]
                assert len(broker.open) <= max(window, 0)
            case "acknowledge" if broker.open:
                # Brokers may acknowledge in any order.
                broker.acknowledge(data.draw(st.sampled_from(sorted(broker.open))))
            case _:
                pass
    if not connected:
        broker.connect()
    while (taken := broker.take()) or broker.open:
        received += [int(each.payload) for each in taken if each.kind == "event"]
        broker.acknowledge()
    assert list(dict.fromkeys(received)) == list(range(added))
    assert len(outbox) == 0


def test_a_value_nobody_confirms_is_forgotten_and_one_that_is_confirmed_is_sent_before_the_broker_forgets_it() -> None:
    delivery, _, _ = make()
    delivery.connected(100, 0.0)
    assert delivery.latest("state", b"1", 90.0, 0.0)
    sent = delivery.next(0.5)
    assert sent is not None
    assert (sent.payload, sent.expiry_seconds) == (b"1", 90)
    delivery.sent(sent, 1, 0.5)
    delivery.acknowledged(1)
    assert not delivery.latest("state", b"1", 90.0, 29.0)
    assert delivery.next(29.0) is None
    assert delivery.latest("state", b"1", 90.0, 30.0)
    again = delivery.next(30.0)
    assert again is not None
    delivery.sent(again, 2, 30.0)
    delivery.disconnected()
    delivery.connected(100, 119.0)
    late = delivery.next(119.0)
    assert late is not None
    assert late.expiry_seconds == 1
    delivery.disconnected()
    delivery.connected(100, 120.0)
    assert delivery.next(120.0) is None
    assert delivery.idle
