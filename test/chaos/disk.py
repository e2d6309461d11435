"""A small disk for the target tables, which a fault fills: a tmpfs in a mount namespace of our own, so that it goes
when the last of our processes does, however that comes about."""
import contextlib
import ctypes
import os
import subprocess

CLONE_NEWNS = 0x00020000
BYTES = 1 << 30


def mount(*arguments):
    done = subprocess.run(["mount", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise PermissionError(done.stdout.strip())


def enter_own_namespace():
    """Before the server starts, which sees the disk only if it starts in here. Raises PermissionError if we may not."""
    if os.getuid() != 0:
        raise PermissionError("only root may mount")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        raise PermissionError("no mount namespace: " + os.strerror(ctypes.get_errno()))
    mount("--make-rprivate", "/")


class SmallDisk:
    def __init__(self, directory):
        os.mkdir(directory)
        mount("-t", "tmpfs", "-o", f"size={BYTES},mode=700", "tmpfs", directory)
        self.directory = directory
        self.filler = os.path.join(directory, "filler")

    def fill(self):
        """To the last page; once more, if others have freed some meanwhile."""
        with open(self.filler, "ab", buffering=0) as filler:
            for size in (1 << 20, 4096):
                with contextlib.suppress(OSError):
                    while filler.write(bytes(size)) == size:
                        pass

    def free(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.filler)

    def unmount(self, keep):
        """The server must have ended. With `keep` what was on the disk stays in its place."""
        kept = self.directory + ".kept"
        if keep:
            self.free()
            subprocess.run(["cp", "-a", self.directory, kept], check=True)
        subprocess.run(["umount", self.directory], check=True)
        if keep:
            os.rmdir(self.directory)
            os.rename(kept, self.directory)
