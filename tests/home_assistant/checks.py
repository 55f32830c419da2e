"""What a running Home Assistant must show of a camera, follow, and notice."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.home_assistant.instance import Instance, InstanceError
from tests.home_assistant.report import CheckError, Report, until
from tests.home_assistant.stage import BRANCH, KEEPALIVE_SECONDS, NODE, Stage

DEVICE_DISCOVERY = (2024, 12)
# Releases that take the wished entity id under the name default_entity_id.
DEFAULT_ENTITY_ID = (2025, 10)
# Words that a complaint about us contains.
OURS = ("mqtt", "edged")
# The states of entities to which nothing has happened yet.
_NOTHING_YET = ("button", "event", "image")
# What not every board can tell, and the field of health that says so.
_BOARD = {"temperature": "temperature_celsius", "throttled": "throttled"}
_CONTROL = "set_"
_RETURN_SECONDS = 60.0


class Checks:
    """All checks, in an order in which each finds what it needs."""

    def __init__(self, stage: Stage, instance: Instance, report: Report, discovery: str) -> None:
        self.stage = stage
        self.instance = instance
        self.report = report
        self.discovery = discovery
        self.device_discovery = instance.installation.release >= DEVICE_DISCOVERY
        self._ids: dict[str, str] = {}

    def run(self) -> None:
        """Do them all; the report has the rest."""
        check = self.report.check
        seconds = self.instance.start()
        self.instance.add_broker(self.stage.broker.host, self.stage.broker.port)
        print(f"Home Assistant was up after {seconds:.1f} s\n\nsets itself up")
        self.stage.start_daemon(home_assistant__discovery=self.discovery)
        check("the discovery payload is taken without a complaint", self.taken)
        check("one device, named as the payload says", self.device)
        check("every entity is registered under its name", self.registered)
        check("what is noisy is there, switched off", self.switched_off)
        check("every entity, the noisy ones switched on, shows a value", self.values)
        self.table()
        print("\nfollows")
        check("a switch pauses the camera and shows it", self.pause)
        check("a number sets the dwell time", self.number)
        check("a number out of range is refused by Home Assistant", self.number_out_of_range)
        check("a number that edged refuses springs back", self.number_refused)
        check("a select sets the detector", self.select)
        check("a switch stops a stage and starts it again", self.stage_switch)
        check("button: reconnect", self.button_reconnect)
        check("button: take snapshot; the image entity shows the picture", self.button_snapshot)
        check("button: restart", self.button_restart)
        print("\ntells")
        check("every blink, gaze and dwell becomes an event of its entity", self.events)
        check("device triggers are listed", self.triggers_listed)
        check("a device trigger fires for each blink of its kind", self.trigger_fires)
        print("\nnotices")
        check("camera stalled (capture frozen, again and again)", self.stalled)
        check("daemon killed (SIGKILL)", self.killed)
        check("daemon frozen (SIGSTOP)", self.frozen)
        check("Home Assistant restarted", self.home_assistant_restarted)
        check("broker restarted, nothing remembered", self.broker_forgets)
        print("\nmoves and goes")
        if self.device_discovery:
            other = "components" if self.discovery == "device" else "device"
            check(f"discovery switched to {other}: the same entities", lambda: self.moved(other))
            check(f"and back to {self.discovery}: the same entities", lambda: self.moved(self.discovery))
        else:
            self.report.skip("discovery switched to device", "this release knows no device discovery")
        check("snapshots switched off: their entities are gone", self.snapshots_off)
        check("discovery switched off: nothing is left", self.gone)

    # -- sets itself up -----------------------------------------------------------------------------------------

    def taken(self) -> str:
        until(lambda: bool(self.stage.components()), 30, "the daemon has announced nothing")
        with self.without_complaint():
            until(lambda: self._wanted() <= set(self.instance.registered()), 30, self._missing)
            time.sleep(3)
        found = [issue for issue in self.instance.ask("repairs/list_issues")["issues"] if issue["domain"] == "mqtt"]
        if found:
            raise CheckError(f"repairs are asked for: {found}")
        size = sum(len(body) for topic, body in self.stage.retained.items() if topic.endswith("/config"))
        return f"{len(self.stage.components())} components, {size} bytes, no line in the log, no repair asked for"

    def device(self) -> str:
        devices = self.instance.devices()
        if len(devices) != 1:
            raise CheckError(f"{len(devices)} devices: {[device['name'] for device in devices]}")
        (device,) = devices
        if device["identifiers"] != [["mqtt", NODE]] or not device["sw_version"]:
            raise CheckError(f"{device}")
        return f"“{device['name']}”, {device['manufacturer']} {device['model']}, {device['sw_version']}"

    def registered(self) -> str:
        entries, entities = self.instance.registered(), self.stage.entities()
        strangers = set(entries) - self._wanted()
        if strangers:
            raise CheckError(f"entities that nobody announced: {sorted(strangers)}")
        by_name = self.instance.installation.release >= DEFAULT_ENTITY_ID or self.discovery == "components"
        wrong = []
        for one in entities.values():
            wished = one.get("default_entity_id") or f"{one['platform']}.{one['object_id']}"
            entry = entries[one["unique_id"]]
            if by_name and entry["entity_id"] != wished:
                wrong.append(f"{entry['entity_id']} instead of {wished}")
            if (entry["original_name"], entry["entity_category"]) != (one["name"], one.get("entity_category")):
                wrong.append(f"{entry['entity_id']} is {entry['original_name']}, {entry['entity_category']}")
        if wrong:
            raise CheckError("; ".join(wrong))
        counts: dict[str, int] = {}
        for one in entities.values():
            counts[one["platform"]] = counts.get(one["platform"], 0) + 1
        return ", ".join(f"{count} {platform}" for platform, count in sorted(counts.items()))

    def switched_off(self) -> str:
        entries = self.instance.registered()
        off = {one["unique_id"] for one in self.stage.entities().values() if one.get("enabled_by_default") is False}
        disabled = {unique_id for unique_id, entry in entries.items() if entry["disabled_by"] == "integration"}
        if off != disabled:
            raise CheckError(f"not as announced: {sorted(off ^ disabled)}")
        for unique_id in off:
            self.instance.ask(
                "config/entity_registry/update", entity_id=entries[unique_id]["entity_id"], disabled_by=None
            )
        return f"{len(off)} of {len(entries)}"

    def values(self) -> str:
        # What was just switched on Home Assistant itself loads half a minute later.
        loaded = until(self._all_there, 60, self._not_there)
        # Figures over a window are unknown until it is long enough.
        took = until(lambda: not self._without_value(), 90, lambda: f"no value: {', '.join(self._without_value())}")
        shown = self._states()
        quiet = [key for key, state in shown.items() if state["state"] == "unknown" and self._nothing_yet(key)]
        untold = [key for key, state in shown.items() if state["state"] == "unknown" and key not in quiet]
        text = f"{len(shown) - len(quiet) - len(untold)} with a value after {loaded + took:.0f} s"
        if quiet:
            text += f"\nnothing has happened to: {', '.join(sorted(quiet))}"
        return text + (f"\nthis machine cannot tell: {', '.join(sorted(untold))}" if untold else "")

    def table(self) -> None:
        """Every entity as Home Assistant shows it."""
        print()
        for key, state in sorted(self._states().items(), key=lambda each: each[1]["entity_id"]):
            unit = state["attributes"].get("unit_of_measurement", "")
            name = state["attributes"]["friendly_name"]
            note = " (off by default)" if self.stage.entities()[key].get("enabled_by_default") is False else ""
            print(f"      {state['entity_id']:<66} {name:<44} {state['state']} {unit}{note}".rstrip())

    # -- follows ------------------------------------------------------------------------------------------------

    def pause(self) -> str:
        switch = self._id("pause")
        try:
            self.instance.call("switch.turn_on", switch)
            took = until(lambda: self._health() == "paused" and self._state("pause") == "on", 10, self._pause_seen)
            until(self._camera_gone, 10, self._still_there)
        finally:
            self.instance.call("switch.turn_off", switch)
        until(lambda: self._health() == "ok" and self._state("pause") == "off", 30, self._pause_seen)
        until(self._all_there, _RETURN_SECONDS, self._not_there)
        return f"paused and shown after {took:.1f} s, resumed and shown"

    def number(self) -> str:
        return self._set("number.set_value", "judgement.gaze.dwell_seconds", 2.5, value=2.5)

    def select(self) -> str:
        return self._set("select.select_option", "inference.detector", "short", option="short")

    def stage_switch(self) -> str:
        off = self._set("switch.turn_off", "inference.stages.iris", wanted=False)
        try:
            time.sleep(2)  # a blink that was under way
            since = len(self.stage.heard)
            time.sleep(8)  # the sitter blinks every few seconds
            if blinks := self.stage.occurred("blink", since):
                raise CheckError(f"blinks without an iris: {blinks}")
        finally:
            on = self._set("switch.turn_on", "inference.stages.iris", wanted=True)
        until(lambda: bool(self.stage.occurred("blink", since)), 60, "no blink afterwards")
        return f"off: {off}, no blink meanwhile\non: {on}, and blinks again"

    def number_out_of_range(self) -> str:
        before = self.stage.told("config/state")["revision"]
        try:
            self.instance.call("number.set_value", self._control("judgement.gaze.dwell_seconds"), value=99999)
        except InstanceError as error:
            if self.stage.told("config/state")["revision"] != before:
                raise CheckError("it reached the daemon all the same") from error
            return str(error).partition(": ")[2]
        raise CheckError("99999 s was taken")

    def number_refused(self) -> str:
        path = "judgement.blink.open_openness"
        shown, since = self._state(_key(path)), len(self.stage.heard)
        self.instance.call("number.set_value", self._control(path), value=0.05)
        until(lambda: bool(self._results(since)), 10, "the daemon did not answer")
        (result,) = self._results(since)
        time.sleep(1)
        if result["status"] != "rejected" or self._state(_key(path)) != shown:
            raise CheckError(f"{result['status']}, and Home Assistant shows {self._state(_key(path))}")
        return f"still {shown}; said: {result['errors'][0]['reason']}"

    def button_reconnect(self) -> str:
        since = len(self.stage.heard)
        self.instance.call("button.press", self._id("reconnect"))
        until(lambda: self._answered("reconnect", since), 20, "no answer")
        until(self._all_there, _RETURN_SECONDS, self._not_there)
        return f"answered, pressed at {self._state('reconnect')}"

    def button_snapshot(self) -> str:
        before = self._state("last_snapshot")
        self.instance.call("button.press", self._id("snapshot"))
        until(lambda: self._state("last_snapshot") not in (before, "unknown", "unavailable"), 15, "no picture came")
        picture = self.instance.rest("GET", f"/api/image_proxy/{self._id('last_snapshot')}")
        if picture[:2] != b"\xff\xd8":
            raise CheckError(f"what is shown is no JPEG: {picture[:16]!r}")
        return f"a JPEG of {len(picture)} bytes"

    def button_restart(self) -> str:
        since = len(self.stage.heard)
        self.instance.call("button.press", self._id("restart"))
        until(lambda: self._answered("restart", since), 20, "no answer")

        def again() -> bool:
            said = self._statuses(since)
            return "starting" in said and said[-1] == "ok"

        until(again, 30, lambda: f"health was {self._statuses(since)}")
        until(self._all_there, _RETURN_SECONDS, self._not_there)
        return "answered; all entities there again"

    # -- tells --------------------------------------------------------------------------------------------------

    def events(self) -> str:
        kinds = ("blink", "gaze", "dwell")
        since = len(self.stage.heard)
        changes = self.instance.subscribe("subscribe_events", event_type="state_changed")
        until(lambda: all(len(self.stage.occurred(kind, since)) >= 3 for kind in kinds), 120, "too little happened")
        time.sleep(1)
        told = []
        for kind in kinds:
            sent = self.stage.occurred(kind, since)
            states = [
                change["data"]["new_state"] for change in list(changes) if change["data"]["entity_id"] == self._id(kind)
            ]
            shown = [state for state in states if state["state"] not in ("unknown", "unavailable")]
            ids = [state["attributes"].get("id") for state in shown]
            missing = [event for event in sent[:-1] if event["id"] not in ids]
            if missing:
                raise CheckError(f"{len(missing)} of {len(sent)} {kind} events did not arrive: {missing[0]}")
            types = {state["attributes"]["event_type"] for state in shown}
            told.append(f"{len(ids)} {kind} ({', '.join(sorted(types))})")
        return "; ".join(told)

    def triggers_listed(self) -> str:
        (device,) = self.instance.devices()
        listed = self.instance.ask("device_automation/trigger/list", device_id=device["id"])
        found = {(one["type"], one["subtype"]) for one in listed if one["domain"] == "mqtt"}
        if found != self.stage.triggers():
            raise CheckError(f"not as announced: {sorted(found ^ self.stage.triggers())}")
        return ", ".join(f"{kind} {subtype}" for kind, subtype in sorted(found))

    def trigger_fires(self) -> str:
        (device,) = self.instance.devices()
        listed = self.instance.ask("device_automation/trigger/list", device_id=device["id"])
        (chosen,) = [one for one in listed if (one.get("type"), one.get("subtype")) == ("blink", "single")]
        trigger = {name: value for name, value in chosen.items() if name != "metadata"}
        since = len(self.stage.heard)
        fired = self.instance.subscribe("subscribe_trigger", trigger=trigger)

        def singles() -> int:
            return sum(event["gesture"] == "single" for event in self.stage.occurred("blink", since))

        until(lambda: singles() >= 2, 120, "nobody blinked")
        time.sleep(1)
        if not singles() - 1 <= len(fired) <= singles():
            raise CheckError(f"fired {len(fired)} times for {singles()} blinks")
        return f"fired {len(fired)} times for {singles()} single blinks"

    # -- notices ------------------------------------------------------------------------------------------------

    def stalled(self) -> str:
        def seen() -> bool:
            self.stage.freeze_capture()  # it is replaced, and the new one freezes, too
            return self._camera_gone()

        took = until(seen, 30, self._still_there)
        until(lambda: self._state("problem") == "on", 10, lambda: f"problem is {self._state('problem')}")
        gone = [key for key, state in self._states().items() if state["state"] == "unavailable"]
        wrong = [key for key in gone if not self._needs_camera(key)]
        if wrong:
            raise CheckError(f"gone though the daemon is there: {wrong}")
        status, reason = self._state("status"), self._state("reason")
        back = until(self._all_there, 120, self._not_there)
        return (f"{len(gone)} entities unavailable after {took:.1f} s, {len(self._states()) - len(gone)} of the daemon's own"
                f" stay; back {back:.1f} s after the last freeze\nshown meanwhile: {status}: {reason}")  # fmt: skip

    def killed(self) -> str:
        self.stage.kill_daemon()
        took = until(self._none_there, 2 * KEEPALIVE_SECONDS, self._still_there_any)
        self.stage.start_daemon(home_assistant__discovery=self.discovery)
        back = until(self._all_there, _RETURN_SECONDS, self._not_there)
        return f"all unavailable after {took:.1f} s; back {back:.1f} s after its start"

    def frozen(self) -> str:
        try:
            self.stage.freeze_daemon()
            took = until(self._none_there, 4 * KEEPALIVE_SECONDS, self._still_there_any)
        finally:
            self.stage.thaw_daemon()
        back = until(self._all_there, _RETURN_SECONDS, self._not_there)
        return f"all unavailable after {took:.1f} s (keepalive {KEEPALIVE_SECONDS} s); back after {back:.1f} s"

    def home_assistant_restarted(self) -> str:
        before = self._identities()
        self.instance.stop()
        since = len(self.stage.heard)
        with self.without_complaint():
            self.instance.start()
            took = until(self._all_there, 30, self._not_there)
            until(
                lambda: self._announced_again(since),
                15,
                "the daemon did not announce itself again after the birth message",
            )
        self._same(before)
        until(lambda: not self._without_value(), 60, lambda: f"no value: {self._without_value()}")
        return f"all entities there {took:.1f} s after it was up; announced again after its birth message"

    def broker_forgets(self) -> str:
        before = self._identities()
        self.stage.forget()
        took = until(lambda: bool(self.stage.components()) and self._all_there(), _RETURN_SECONDS, self._not_there)
        self._same(before)
        return f"announced again, all entities there after {took:.1f} s"

    # -- moves and goes -----------------------------------------------------------------------------------------

    def moved(self, discovery: str) -> str:
        renamed = self._id("someone")
        self.instance.ask("config/entity_registry/update", entity_id=renamed, name="At the desk")
        before = self._identities()
        wanted = self._wanted()
        with self.without_complaint():
            self.stage.stop_daemon()
            self.stage.start_daemon(home_assistant__discovery=discovery)
            until(lambda: self._announced_by() == {discovery}, 60, lambda: f"announced by {self._announced_by()}")
            time.sleep(2)
            until(self._all_there, _RETURN_SECONDS, self._not_there)
        if self._wanted() != wanted:
            raise CheckError(f"announced differs: {sorted(self._wanted() ^ wanted)}")
        self._same(before)
        if self.instance.registered()[self._entity("someone")["unique_id"]]["name"] != "At the desk":
            raise CheckError("a name given by the user is lost")
        if len(self.instance.devices()) != 1:
            raise CheckError("there are two devices")
        self.triggers_listed()
        return f"{len(before)} entities and {len(self.stage.triggers())} triggers kept their ids, a given name stayed"

    def snapshots_off(self) -> str:
        before = self._identities()
        self.stage.stop_daemon()
        with self.without_complaint():
            self.stage.start_daemon(home_assistant__discovery=self.discovery, snapshot__enabled=False)
            gone = {f"{NODE}_snapshot", f"{NODE}_last_snapshot"}
            until(lambda: not gone & set(self.instance.registered()), 60, lambda: f"still there: {gone}")
            until(lambda: "snapshot" not in self.stage.components(), 30, "still announced")
            until(self._all_there, _RETURN_SECONDS, self._not_there)
        self._same({unique_id: entry for unique_id, entry in before.items() if unique_id not in gone})
        return f"{len(before) - len(gone)} others are untouched"

    def gone(self) -> str:
        self.stage.stop_daemon()
        with self.without_complaint():
            self.stage.start_daemon(home_assistant__enabled=False)
            until(
                lambda: not self.instance.registered(), 60, lambda: f"still there: {sorted(self.instance.registered())}"
            )
            until(lambda: not self.instance.devices(), 30, "the device is still there")
            until(lambda: not self._announced_by(), 30, lambda: f"still announced by {self._announced_by()}")
        left = [entity_id for entity_id in self.instance.states() if NODE in entity_id]
        if left:
            raise CheckError(f"states are left: {left}")
        return "no entity, no device, no retained message"

    # -- helpers ------------------------------------------------------------------------------------------------

    @contextmanager
    def without_complaint(self) -> Iterator[None]:
        """Home Assistant says nothing bad of us meanwhile."""
        mark = self.instance.mark()
        yield
        complaints = self.instance.complaints(mark, OURS)
        if complaints:
            raise CheckError(f"{len(complaints)} complaints in its log:\n" + "\n".join(complaints[:8])[:4000])

    def _wanted(self) -> set[str]:
        return {one["unique_id"] for one in self.stage.entities().values()}

    def _missing(self) -> str:
        absent = sorted(self._wanted() - set(self.instance.registered()))
        said = self.instance.complaints(0, OURS)
        return f"{len(absent)} entities are missing ({', '.join(absent[:8])}); its log: {said[:3]}"

    def _entity(self, key: str) -> dict[str, Any]:
        return self.stage.entities()[key]

    def _id(self, key: str) -> str:
        """Entity id, as registered: the user may have renamed it."""
        entry: str = self._entry_ids()[self._entity(key)["unique_id"]]
        return entry

    def _entry_ids(self) -> dict[str, str]:
        if not self._wanted() <= set(self._ids):
            self._ids = {unique_id: entry["entity_id"] for unique_id, entry in self.instance.registered().items()}
        return self._ids

    def _control(self, path: str) -> str:
        return self._id(_key(path))

    def _states(self) -> dict[str, dict[str, Any]]:
        """Key → what Home Assistant shows, of entities that are switched on."""
        states, ids = self.instance.states(), self._entry_ids()
        return {key: states[ids[one["unique_id"]]] for key, one in self.stage.entities().items()
                if ids.get(one["unique_id"]) in states}  # fmt: skip

    def _state(self, key: str) -> str:
        state: str = self.instance.states()[self._id(key)]["state"]
        return state

    def _without_value(self) -> list[str]:
        """Entities that show nothing though there is something to show."""
        return [key for key, state in self._states().items() if state["state"] == "unavailable" or
                (state["state"] == "unknown" and not self._truly_unknown(key))]  # fmt: skip

    def _nothing_yet(self, key: str) -> bool:
        return self._entity(key)["platform"] in _NOTHING_YET

    def _truly_unknown(self, key: str) -> bool:
        """Nothing has happened yet, or it is of the board and the daemon itself says null."""
        if self._nothing_yet(key):
            return True
        health = self.stage.told("health")
        return key in _BOARD and isinstance(health, dict) and health[_BOARD[key]] is None

    def _needs_camera(self, key: str) -> bool:
        return len(self._entity(key)["availability"]) > 1

    def _unavailable(self) -> set[str]:
        return {key for key, state in self._states().items() if state["state"] == "unavailable"}

    def _camera_gone(self) -> bool:
        return {key for key in self._states() if self._needs_camera(key)} <= self._unavailable()

    def _still_there(self) -> str:
        return f"still available: {sorted({key for key in self._states() if self._needs_camera(key)} - self._unavailable())}"

    def _none_there(self) -> bool:
        return set(self._states()) == self._unavailable()

    def _still_there_any(self) -> str:
        return f"still available: {sorted(set(self._states()) - self._unavailable())}"

    def _all_there(self) -> bool:
        return set(self._states()) == set(self.stage.entities()) and not self._unavailable()

    def _not_there(self) -> str:
        return (f"unavailable: {sorted(self._unavailable())}; missing: "
                f"{sorted(set(self.stage.entities()) - set(self._states()))}; health {self._health()}")  # fmt: skip

    def _health(self) -> str:
        told = self.stage.told("health")
        return str(told["status"]) if isinstance(told, dict) else "untold"

    def _pause_seen(self) -> str:
        return f"health is {self._health()}, the switch is {self._state('pause')}"

    def _set(self, service: str, path: str, wanted: object, **data: Any) -> str:
        """Set an option through its control; both the daemon and the control must show it."""
        self.instance.call(service, self._control(path), **data)

        def effective() -> Any:
            value = self.stage.told("config/state")["settings"]
            for name in path.split("."):
                value = value[name]
            return value

        def shown() -> bool:
            state = self._state(_key(path))
            return state == ("on" if wanted else "off") if isinstance(wanted, bool) else state == str(wanted)

        took = until(lambda: effective() == wanted and shown(), 10,
                     lambda: f"config/state has {effective()}, Home Assistant shows {self._state(_key(path))}")  # fmt: skip
        return f"config/state and the control show {wanted} after {took:.1f} s"

    def _since(self, leaf: str, since: int) -> list[bytes]:
        return [message.payload for message in self.stage.heard[since:] if message.topic == BRANCH + leaf]

    def _results(self, since: int) -> list[dict[str, Any]]:
        return [_json(body) for body in self._since("config/result", since)]

    def _answered(self, command: str, since: int) -> bool:
        return any(_json(body)["status"] == "ok" for body in self._since(f"response/{command}", since))

    def _statuses(self, since: int) -> list[str]:
        return [_json(body)["status"] for body in self._since("health", since)]

    def _announced_again(self, since: int) -> bool:
        said = [message.topic for message in self.stage.heard[since:]]
        born = "homeassistant/status" in said
        return born and any(
            topic.startswith("homeassistant/") and topic.endswith("/config")
            for topic in said[said.index("homeassistant/status") :]
        )

    def _announced_by(self) -> set[str]:
        """Ways of discovery by which something is retained."""
        return {
            "device" if topic.startswith("homeassistant/device/") else "components"
            for topic, body in list(self.stage.retained.items())
            if body and topic.startswith("homeassistant/") and topic.endswith("/config")
        }

    def _identities(self) -> dict[str, tuple[str, str]]:
        """Unique id → the registry's own id and the entity id."""
        return {unique_id: (entry["id"], entry["entity_id"]) for unique_id, entry in self.instance.registered().items()}

    def _same(self, before: dict[str, tuple[str, str]]) -> None:
        now = self._identities()
        wrong = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
        if wrong:
            raise CheckError(f"{len(wrong)} entities are not the same: "
                             f"{[(key, before.get(key), now.get(key)) for key in wrong[:5]]}")  # fmt: skip


def _key(path: str) -> str:
    return _CONTROL + path.replace(".", "_")


def _json(body: bytes) -> Any:
    return json.loads(body)
