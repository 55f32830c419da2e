"""What the doctor says of a system that forgets: mount tables of several, and where things are kept on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.doctor.mounts import mounts, why_lost

PLAIN = "21 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw\n"
# As raspi-config's overlay file system (overlayroot) shows itself after booting.
OVERLAYROOT = """\
21 1 0:26 / / rw,noatime shared:1 - overlay overlayroot rw,lowerdir=/media/root-ro,upperdir=/media/root-rw/overlay,workdir=/media/root-rw/overlay-workdir/_
29 21 179:2 / /media/root-ro ro,relatime shared:5 - ext4 /dev/mmcblk0p2 ro
30 21 0:25 / /media/root-rw rw,relatime shared:6 - tmpfs tmpfs-root rw
"""
DATA = "40 21 179:3 / /var/lib/edged rw,noatime shared:9 - ext4 /dev/mmcblk0p3 rw\n"
TMPFS = "41 21 0:40 / /var rw shared:9 - tmpfs tmpfs rw,size=65536k\n"
CONTAINER = "700 1 0:52 / / rw - overlay overlay rw,lowerdir=/a/l/X:/a/l/Y,upperdir=/a/diff,workdir=/a/work\n"
ON_CARD = """\
21 1 0:26 / / rw - overlay overlay rw,lowerdir=/ro,upperdir=/changes/upper,workdir=/changes/work
33 21 179:3 / /changes rw - ext4 /dev/mmcblk0p3 rw
"""
STATE = Path("/var/lib/edged")


def lost(table: str, folder: Path, root: Path) -> str:
    path = root / "proc/self/mountinfo"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(table, encoding="utf-8")
    return why_lost(folder, mounts(root))


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (PLAIN, ""),
        (OVERLAYROOT, "/ is an overlay, whose changes are in memory"),
        (OVERLAYROOT + DATA, ""),
        (PLAIN + TMPFS, "/var is in memory (tmpfs)"),
        (PLAIN + TMPFS + DATA, ""),
        (CONTAINER, "/ is an overlay, whose changes are most often in memory"),
        (ON_CARD, ""),
        ("", ""),
        ("rubbish\n- -\n", ""),
    ],
)
def test_what_a_reboot_forgets(table: str, why: str, tmp_path: Path) -> None:
    assert lost(table, STATE, tmp_path) == why


def test_a_later_mount_covers_an_earlier_one_at_the_same_place(tmp_path: Path) -> None:
    covered = PLAIN + DATA + "50 21 0:41 / /var/lib/edged rw - tmpfs tmpfs rw\n"
    assert lost(covered, STATE, tmp_path).startswith("/var/lib/edged is in memory")


def test_names_with_blanks(tmp_path: Path) -> None:
    table = PLAIN + "60 21 0:42 / /mnt/my\\040data rw - tmpfs tmpfs rw\n"
    assert "my data is in memory" in lost(table, Path("/mnt/my data/edged"), tmp_path)


def test_this_very_machine_has_mounts() -> None:
    assert any(mount.point == "/proc" for mount in mounts())  # a chroot has no /
