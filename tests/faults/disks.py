"""File systems that fill, fail or lose power: ext4 on a loop device of this machine. Needs root."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path


class Disk:
    """An ext4 file system of its own in ``folder``, mounted at ``mount``; the kernel makes it read-only on an error."""

    def __init__(self, folder: Path, size_mib: int) -> None:
        self.image = folder / "disk.raw"
        self.mount = folder / "disk"
        self.mount.mkdir(parents=True)
        with self.image.open("wb") as handle:
            handle.truncate(size_mib * 2**20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", self.image], check=True)
        self.attach()

    @property
    def device(self) -> str:
        """Name of its loop device, without /dev."""
        listed = subprocess.run(
            ["losetup", "-j", self.image], check=True, capture_output=True, text=True
        ).stdout
        return Path(listed.partition(":")[0]).name

    def attach(self) -> None:
        """Mount it; the kernel replays its journal."""
        subprocess.run(["mount", "-o", "loop,errors=remount-ro", self.image, self.mount], check=True)

    def detach(self) -> None:
        """Unmount it."""
        # A process that was killed a moment ago may still have a file open.
        for _ in range(100):
            if subprocess.run(["umount", self.mount], check=False, stderr=subprocess.DEVNULL).returncode == 0:
                return
            time.sleep(0.1)
        raise RuntimeError(f"{self.mount} is busy")

    def fail(self) -> None:
        """Have the kernel meet an error on it: from now on it is read-only."""
        Path("/sys/fs/ext4", self.device, "trigger_fs_error").write_text("a trial of edgebench")

    def repair(self) -> None:
        """Unmount, check and mount it again."""
        self.detach()
        subprocess.run(
            ["e2fsck", "-fy", self.image], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.attach()

    def fill(self) -> Path:
        """Leave no block free; return the file that has them."""
        filler = self.mount / "filler"
        with filler.open("ab", buffering=0) as handle, contextlib.suppress(OSError):
            for size in (2**20, 4096, 512):
                with contextlib.suppress(OSError):
                    while handle.write(bytes(size)) == size:
                        pass
            os.fsync(handle.fileno())
        return filler

    def as_after_a_power_cut(self, copy: Path) -> bool:
        """Copy what lies on the disk at one moment; False where it was written to meanwhile.

        What only the kernel's memory holds is not in the copy.
        """
        counters = Path("/sys/block", self.device, "stat")

        def written() -> tuple[str, str]:
            fields = counters.read_text().split()
            # Writes that have ended, and requests under way.
            return fields[4], fields[8]

        before = written()
        # Past this machine's own cache of the device: what reached the loop device is in the file.
        shutil.copyfile(self.image, copy)
        return before == written() and before[1] == "0"

    def close(self) -> None:
        """Give it back."""
        if os.path.ismount(self.mount):
            self.detach()
        self.image.unlink()


@contextlib.contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    """Mount an image, as the next boot does."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
