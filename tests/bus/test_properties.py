from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edged.bus.properties import pack

# What MQTT allows in its strings.
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffe\uffff"), max_size=300)


@given(
    user=st.none() | st.tuples(texts, texts), topic=st.none() | texts, correlation=st.none() | st.binary(max_size=300)
)
def test_the_library_reads_what_we_wrote(
    user: tuple[str, str] | None, topic: str | None, correlation: bytes | None
) -> None:
    packed = pack(user=user, response_topic=topic, correlation=correlation, content_type="a/b")
    read = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    _, length = read.unpack(packed)  # type: ignore[no-untyped-call]
    assert length == len(packed)
    assert getattr(read, "UserProperty", None) == (None if user is None else [user])
    assert getattr(read, "ResponseTopic", None) == topic
    assert getattr(read, "CorrelationData", None) == correlation
    assert getattr(read, "ContentType", None) == "a/b"


def test_none_are_one_byte() -> None:
    assert pack() == b"\0"


def test_a_value_too_long_for_mqtt_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        pack(correlation=b"x" * 65_536)
