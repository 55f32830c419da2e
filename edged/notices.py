"""The messages of the log that matter: each with a number of its own, what it means and what to do.

One table. A line of the log carries its notice (`extra=CAMERA_LOST.extra()`): in the journal as MESSAGE_ID and
EDGED_NOTICE, in JSON as `message_id` and `notice`. systemd/edged.catalog, from which `journalctl --catalog` explains
each, and docs/messages.md are written from this table (scripts/generate-docs).

A number is for ever: alerts and filters of others name it. A notice that changes its meaning gets a new one
(`systemd-id128 new`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """One row. id: 128 bits, in hexadecimal. subject, meaning, cure: plain sentences, the last says what to do. In them,
    `@EDGED_CAMERA@` is what that field of the line says: only of fields that every such line has.
    """

    name: str
    id: str
    subject: str
    meaning: str
    cure: str

    def extra(self, **fields: str) -> dict[str, str]:
        """What a line of the log is given as `extra`. fields: journal fields of this line, such as EVENT_ID."""
        return {"MESSAGE_ID": self.id, "EDGED_NOTICE": self.name, **fields}


STARTED = Notice(
    "started", "8b54023990164cb39f9143fc2a6685c2",
    "edged has started",
    "A camera's daemon or an actuator begins its work.",
    "Nothing. Seen again and again, something ends it: look at the lines before it.",
)  # fmt: skip
RESTARTING = Notice(
    "restarting", "504786e241084fe4ba65c04be35c83e7",
    "edged begins anew",
    "The settings are read anew and all children are replaced: somebody asked for it, or settings from afar needed it.",
    "Nothing.",
)  # fmt: skip
BOARD_HOT = Notice(
    "board_hot", "f47857c0d4394d748a1a4e7c6ba0cc03",
    "The board is hot: fewer frames are taken",
    "The temperature comes near to where the board would slow everything down. Frames are left out, a fifth at a time, "
    "before that happens; they come back by themselves.",
    "A heat sink, a fan, or a case with air. Or lower capture.frames_per_second. Settings: [cooling].",
)  # fmt: skip
BOARD_COOL = Notice(
    "board_cool", "63e325637d824247acb43cd4a0d53f34",
    "The board has cooled: all frames are taken again",
    "The temperature is well below the limit.",
    "Nothing.",
)  # fmt: skip
BOARD_THROTTLED = Notice(
    "board_throttled", "870662240af14a68994f6231d7707fd7",
    "The board slows itself down",
    "Its firmware or the kernel holds the clock down: for the power supply's voltage or current, or for heat. The message says which.",
    "Under-voltage: a better power supply and a short, thick cable; a weak one also damages cards. Heat: cool the board.",
)  # fmt: skip
CAMERA_LOST = Notice(
    "camera_lost", "5294ecc4814e412c938ee6c50f7271da",
    "Camera @EDGED_CAMERA@ is lost",
    "No pictures come from the camera. It is tried again for ever, after pauses that grow.",
    "The message says why. Look at the cable, the power and capture.source; `edged doctor` tries the camera.",
)  # fmt: skip
CAMERA_BACK = Notice(
    "camera_back", "c57e50b90e614c0d8b973ba90b5c768c",
    "Camera @EDGED_CAMERA@ is back",
    "Pictures come again from a camera that was lost.",
    "Nothing. Seen often, the cable, the plug or the power supply is bad.",
)  # fmt: skip
BROKER_LOST = Notice(
    "broker_lost", "86c17d9319c343f799feb3757c5166fa",
    "There is no connection to the MQTT broker",
    "Nothing can be told or heard. Events wait on the disk, within limits, and are told later. It is tried again for ever.",
    "The message says why. Look whether the broker runs and at mqtt.host, mqtt.port and the password; `edged doctor` tries it.",
)  # fmt: skip
BROKER_BACK = Notice(
    "broker_back", "9ba5fddf5f194e48b94a29370af8d86e",
    "Connected to the MQTT broker",
    "What waited is told now, in order.",
    "Nothing.",
)  # fmt: skip
CHILD_DIED = Notice(
    "child_died", "1738783ba9064036acb25f97d1e8c6c5",
    "The process @EDGED_STAGE@ of camera @EDGED_CAMERA@ has died",
    "It ended unasked. It is replaced, after pauses that grow if it keeps dying.",
    "Once is no reason to act. Again and again: look at its own lines (EDGED_PROCESS=@EDGED_STAGE@), at memory and at the power supply.",
)  # fmt: skip
CHILD_HUNG = Notice(
    "child_hung", "4d2a921bca364889b8401359f4c298f9",
    "The process @EDGED_STAGE@ of camera @EDGED_CAMERA@ hung",
    "It was silent for longer than it may be. It was ended and is replaced.",
    "Again and again: the camera's driver, an accelerator or the card may be stuck; see the kernel's log (`journalctl -k`).",
)  # fmt: skip
CHILD_FAILED = Notice(
    "child_failed", "05cfbb22db434d5194f6e2671308fdca",
    "The process @EDGED_STAGE@ of camera @EDGED_CAMERA@ has given up",
    "It ended and said why. It is started again after a pause.",
    "The message says what is missing or wrong; `edged doctor` says the cure.",
)  # fmt: skip
CHILD_REPLACED = Notice(
    "child_replaced", "60594108904f4273a0b8cae622f737d4",
    "The process @EDGED_STAGE@ of camera @EDGED_CAMERA@ was replaced",
    "It runs again.",
    "Nothing.",
)  # fmt: skip
HEALTH_CHANGED = Notice(
    "health_changed", "982fbd52243a48a2a5c1620ca2109bd1",
    "The health of camera @EDGED_CAMERA@ has changed",
    "The message says how well the camera's pipeline runs now, and why. The same is published over MQTT.",
    "The reason names its cure. docs/operations.md goes through the symptoms.",
)  # fmt: skip
SETTINGS_APPLIED = Notice(
    "settings_applied", "9c6a95c9d23440fc811784fbd85acce0",
    "Settings from afar are in force",
    "Somebody changed settings over MQTT. They are on probation first, and taken back by themselves if they do harm.",
    "Nothing, if it was you: `edged config get` shows what counts.",
)  # fmt: skip
SETTINGS_REFUSED = Notice(
    "settings_refused", "505c9502dc5e4f8b945e8bf4672f3b1b",
    "Settings from afar were refused",
    "Settings that came over MQTT, or were kept from earlier, do not fit. None of them was taken.",
    "The message names each error with its cure. Send better ones, or correct the retained message on config/set.",
)  # fmt: skip
SETTINGS_ROLLED_BACK = Notice(
    "settings_rolled_back", "a5b3aa7619cc4e42b5acc6315cd0f0db",
    "Settings from afar were taken back",
    "The camera did not run well with new settings. Those from before count again.",
    "The message says what went wrong. Wish for other settings; the same ones are refused from now on.",
)  # fmt: skip
EVENTS_LOST = Notice(
    "events_lost", "a28229ab70174cf2aa4a734af99e8112",
    "Events were dropped before the broker had them",
    "The outbox was full, or events were older than store.limit_days: the least important and oldest were dropped.",
    "Bring the broker back. Where it may be away for longer, raise store.limit_events and store.limit_megabytes.",
)  # fmt: skip
EVENTS_UNKEPT = Notice(
    "events_unkept", "7a5233d3a01c4ee9a00877f713dd64bb",
    "Events cannot be written to the disk",
    "They wait in memory, within limits, and would be lost if the process ended now.",
    "Make room, or replace the card: see `df`, `journalctl -k`, and store.directory.",
)  # fmt: skip
EVENTS_KEPT = Notice(
    "events_kept", "d9fd08af7c134e3e8cf44df1dc9e6478",
    "Events are written to the disk again",
    "What waited in memory is on the disk now.",
    "Nothing.",
)  # fmt: skip
DATABASE_DAMAGED = Notice(
    "database_damaged", "630dcedbd68b4e0c97bdc45050e28f93",
    "A damaged file was set aside",
    "A database or another file of edged could not be read. It is kept under the name in the message, and a new one was begun.",
    "Look at the card and the power supply: a good card in a good supply does not do this. `edged restore` brings a backup back.",
)  # fmt: skip
AUDIT_DAMAGED = Notice(
    "audit_damaged", "a9c0ca0fc85647a19fa84c2d9e5d26b5",
    "The audit trail is not what was written",
    "Lines of the trail were changed, removed, moved or cut.",
    "`edged audit verify` names them. Find out who was there; `edged audit renew` keeps it aside and begins another.",
)  # fmt: skip
SECURITY_VERDICT = Notice(
    "security_verdict", "0ff01c85499249fe9d5bd0ca87107e1d",
    "The verdict over the seat of camera @EDGED_CAMERA@ has changed",
    "Who sits there, whether alive, with a phone or not, became another verdict of the seat's policy.",
    "EVENT_ID names the event: `edged history` and `edged evidence` show it. docs/security-policy.md explains the verdicts.",
)  # fmt: skip
EVIDENCE_FAILED = Notice(
    "evidence_failed", "87060afcdf7f478fbcb678fae7a4fe88",
    "Evidence was not kept",
    "Pictures around an event should have been kept, encrypted, and were not.",
    "The message says why: most often the disk is full or the key is missing.",
)  # fmt: skip
JOB_FAILED = Notice(
    "job_failed", "c573a27dbae4412bb2ad46434bd94094",
    "Actuator @EDGED_ACTUATOR@ could not do what it was asked",
    "The job that EDGED_JOB_ID names failed, after what tries its settings allow.",
    "The message says why. `edged actuator check NAME` says what keeps the actuator from working.",
)  # fmt: skip
EMERGENCY_STOP = Notice(
    "emergency_stop", "5ee7c27f1aed4e00b90b25660fd265b7",
    "Emergency stop of actuator @EDGED_ACTUATOR@",
    "Somebody stopped the actuator: all jobs have ended and nothing is done, over restarts too, until it is reset.",
    "Find out why. Then `edged act NAME reset`.",
)  # fmt: skip
EMERGENCY_STOP_OVER = Notice(
    "emergency_stop_over", "5e82977e761e45fbbd6f98c7ae1a3e45",
    "The emergency stop of actuator @EDGED_ACTUATOR@ is over",
    "The actuator does again what it is asked.",
    "Nothing.",
)  # fmt: skip
ACTUATOR_STUCK = Notice(
    "actuator_stuck", "3d3136f4ec0a446ca466f92f52764174",
    "Actuator @EDGED_ACTUATOR@ is stuck and is started anew",
    "What it does, or the thread that does it, cannot be stopped from within. The process ends, and systemd starts another.",
    "Again and again: what it drives hangs (a desktop, a USB port, the network). Its guide in docs/ says what to look at.",
)  # fmt: skip
ALERT_ESCALATED = Notice(
    "alert_escalated", "782ef71d01494c5fa47ae47c598e458c",
    "An alert goes on to its next step",
    "Nobody acknowledged the alert in time, or nobody could be reached: the next in the chain is tried now.",
    "Acknowledge it: `edged act NAME acknowledge`, or a key in the call. EDGED_JOB_ID names the alert.",
)  # fmt: skip
ALERT_UNHEARD = Notice(
    "alert_unheard", "5b544dc17f30464bad5c06aa2f7ffe5f",
    "Nobody acknowledged an alert",
    "The whole chain was gone through.",
    "Look after what the alert was about. Then look at the chain: more people, longer waits, another way to reach them.",
)  # fmt: skip
BUG = Notice(
    "bug", "2b391d8ab7664e1dbd2ad4d2dee908cf",
    "edged has a bug",
    "Something happened that no code expects. What can go on goes on; what cannot is started anew.",
    "Set log.level to debug, which adds where it happened, and report it with the lines around it.",
)  # fmt: skip

# In the order of the page: life, camera, broker, children, settings, what is kept, the seat, actuators.
NOTICES: tuple[Notice, ...] = (
    STARTED, RESTARTING, HEALTH_CHANGED, BOARD_HOT, BOARD_COOL, BOARD_THROTTLED, CAMERA_LOST, CAMERA_BACK, BROKER_LOST, BROKER_BACK,
    CHILD_DIED, CHILD_HUNG, CHILD_FAILED, CHILD_REPLACED, SETTINGS_APPLIED, SETTINGS_REFUSED, SETTINGS_ROLLED_BACK,
    EVENTS_LOST, EVENTS_UNKEPT, EVENTS_KEPT, DATABASE_DAMAGED, AUDIT_DAMAGED, SECURITY_VERDICT, EVIDENCE_FAILED,
    JOB_FAILED, EMERGENCY_STOP, EMERGENCY_STOP_OVER, ACTUATOR_STUCK, ALERT_ESCALATED, ALERT_UNHEARD, BUG,
)  # fmt: skip
