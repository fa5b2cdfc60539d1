"""Hosts for workers: Linux network namespaces on one bridge, whose links can be cut; and a disk that is full."""

import contextlib
import os
import subprocess

SUBNET = "10.78.0"


def allowed():
    """Whether this process may make namespaces and mounts."""
    return os.geteuid() == 0


def _ip(*command):
    subprocess.run(["ip", *command], check=True, capture_output=True)


@contextlib.contextmanager
def namespace_hosts(n):
    """Yield the addresses of `n` hosts that reach each other."""
    tag = f"sc{os.getpid() % 10000}"
    with contextlib.ExitStack() as stack:
        _ip("link", "add", f"{tag}b", "type", "bridge")
        stack.callback(_ip, "link", "del", f"{tag}b")
        _ip("link", "set", f"{tag}b", "up")
        for k in range(n):
            _ip("netns", "add", f"{tag}n{k}")
            stack.callback(_ip, "netns", "del", f"{tag}n{k}")
            _ip("link", "add", f"{tag}v{k}", "type", "veth", "peer", "name", "eth0", "netns", f"{tag}n{k}")
            stack.callback(_ip, "link", "del", f"{tag}v{k}")  # a namespace gives its devices up only later
            _ip("link", "set", f"{tag}v{k}", "master", f"{tag}b", "up")
            _ip("-n", f"{tag}n{k}", "addr", "add", f"{SUBNET}.{k + 1}/24", "dev", "eth0")
            _ip("-n", f"{tag}n{k}", "link", "set", "eth0", "up")
        yield Hosts(tag, n)


class Hosts:
    """Namespaces by number."""

    def __init__(self, tag, n):
        self._tag = tag
        self.addresses = [f"{SUBNET}.{k + 1}" for k in range(n)]

    def inside(self, address, command):
        """The command line that runs `command` on the host of that address."""
        return ["ip", "netns", "exec", f"{self._tag}n{self.addresses.index(address)}", *command]

    def link(self, k, state):
        """Set the link of host `k` "up" or "down"."""
        _ip("link", "set", f"{self._tag}v{k}", state)


@contextlib.contextmanager
def small_disk(place, size):
    """Mount a file system of `size` bytes at `place`."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)
