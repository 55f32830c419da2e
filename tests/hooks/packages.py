"""Packages with hooks, as pip would have left them: a module, and a dist-info with its entry points."""

from __future__ import annotations

import textwrap
from pathlib import Path


def install(site: Path, package: str, entry_points: dict[str, str], **modules: str) -> None:
    """Lay a package into a folder that is on the path. entry_points: name to `module:attribute`."""
    for name, code in modules.items():
        site.mkdir(parents=True, exist_ok=True)
        (site / f"{name}.py").write_text(textwrap.dedent(code), encoding="utf-8")
    info = site / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
    lines = [f"{name} = {value}" for name, value in entry_points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[edged.hooks]", *lines, ""]), encoding="utf-8")


# Hooks of every temper; each tells of itself by what it returns, and in files of the folder it is given.
TOYS = """
    import ctypes
    import os
    import subprocess
    import sys
    import time
    from pathlib import Path

    from edged import messages
    from edged.hooks import Hook
    from edged.messages import HookAnswer


    class Echo(Hook):
        def on_event(self, event):
            return {"heard": event["kind"], "frame": event["frame"], "pid": os.getpid(), **self.context.options}


    class Watcher(Hook):
        cooldown_seconds = 0.0

        def on_observation(self, observation):
            zones = [face.zone for face in observation.faces]
            return {"faces": len(zones), "zones": zones, "sequence": observation.sequence}


    class Quiet(Hook):
        # Notes each call in a file, and publishes nothing.
        cooldown_seconds = 0.2

        def on_observation(self, observation):
            with open(Path(self.context.options["folder"]) / "calls", "a") as calls:
                calls.write(f"{time.monotonic()}\\n")

        def close(self):
            (Path(self.context.options["folder"]) / "closed").touch()


    class Sleeper(Hook):
        timeout_seconds = 0.3

        def on_event(self, event):
            if event.get("change") == "slow":
                company = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
                (Path(self.context.options["folder"]) / "company").write_text(str(company.pid))
                time.sleep(120)
            return {"pid": os.getpid()}


    class Raiser(Hook):
        def on_event(self, event):
            if event.get("change") == "good":
                return {"good": True}
            raise ValueError(f"token s3cret does not open {event['kind']}")


    class Crasher(Hook):
        def on_event(self, event):
            if event.get("change") == "crash":
                ctypes.string_at(0)
            if event.get("change") == "exit":
                sys.exit("enough")
            return {"pid": os.getpid()}


    class Hog(Hook):
        def on_event(self, event):
            return {"bytes": len(bytearray(100_000_000))}


    class Odd(Hook):
        def on_event(self, event):
            deep = {}
            for _ in range(900):
                deep = {"x": deep}
            name = os.fsdecode(b"caf\\xe9.jpg")
            return {
                "set": {"x": {1}}, "list": ["x"], "long": {"x": "x" * 9000}, "nan": {"x": float("nan")},
                "name": {"x": name}, "deep": deep,
            }[event["change"]]


    class Forker(Hook):
        def on_event(self, event):
            child = os.fork()
            while not child:
                time.sleep(120)  # as multiprocessing's workers: with the handlers and the signals' masks of its parent
            return {"child": child}


    class Liar(Hook):
        # Answers for itself, past what edged looks at on its side.
        def on_event(self, event):
            links = [fd for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")]
            links = [int(fd) for fd in links if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")]
            data = {"deep": b'{"x":' + b"[" * 4000 + b"]" * 4000 + b"}", "half": b'{"x":"' + bytes([92]) + b'ud800"}'}
            answer = messages.encode(HookAnswer(1, data[event["change"]]))
            os.write(links[0], answer)
            time.sleep(0.2)


    class Printer(Hook):
        def on_event(self, event):
            print("printed by a hook", flush=True)


    class Curious(Hook):
        def on_event(self, event):
            return {
                "descriptors": sorted(os.readlink(f"/proc/self/fd/{fd}").split(":")[0] for fd in os.listdir("/proc/self/fd")
                                      if os.path.exists(f"/proc/self/fd/{fd}")),
                "variables": sorted(name for name in os.environ if name.startswith("EDGED")),
                "nice": os.nice(0),
                "kill_first": int(Path("/proc/self/oom_score_adj").read_text()),
            }


    class BadStart(Hook):
        def __init__(self, context):
            raise OSError("the door bell at 10.0.0.7 does not answer")


    class NoCalls(Hook):
        pass


    class BadEvents(Hook):
        events = 7

        def on_event(self, event):
            return None


    class BadCooldown(Hook):
        cooldown_seconds = -1

        def on_event(self, event):
            return None


    class Misspelt(Hook):
        events = ("presense",)

        def on_event(self, event):
            return None


    def factory(context):
        return Echo(context)


    def no_hook(context):
        return 7


    number = 7
"""
TOY_POINTS = {
    **{
        name.lower(): f"toyhooks:{name}"
        for name in (
            "Echo", "Watcher", "Quiet", "Sleeper", "Raiser", "Crasher", "Hog", "Odd", "Forker", "Liar", "Printer", "Curious",
            "BadStart", "NoCalls", "BadEvents", "BadCooldown", "Misspelt", "factory", "no_hook", "number",
        )
    },
    "gone": "toyhooks:Gone",
    "absent": "no_such_module:Hook",
}  # fmt: skip


def install_toys(site: Path) -> None:
    install(site, "edged-toys", TOY_POINTS, toyhooks=TOYS)
