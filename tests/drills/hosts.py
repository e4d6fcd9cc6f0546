"""Hosts as network namespaces on one bridge, with cables that can be pulled."""

import os
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager

NET = "10.77.0"
PREFIX_LENGTH = 24


class Hosts:
    """The hub, on which the drill itself runs, and hosts beside it."""

    def __init__(self, names: Sequence[str], *, hub: str = "") -> None:
        """Nothing is made yet; `hub` names one that stands already."""
        self._names = list(names)
        self.hub = hub or f"gz{os.getpid()}-hub"
        self._mark = self.hub.removesuffix("-hub")
        self.hub_address = f"{NET}.1"

    def address(self, name: str) -> str:
        """Of one host."""
        return f"{NET}.{self._names.index(name) + 2}"

    def on(self, name: str) -> list[str]:
        """What precedes a command so that it runs on that host."""
        return ["ip", "netns", "exec", f"{self._mark}-{name}"]

    def on_hub(self) -> list[str]:
        """What precedes a command so that it runs on the hub."""
        return ["ip", "netns", "exec", self.hub]

    def cut_off(self, name: str) -> None:
        """Pull a host's cable: what is sent is lost, and nobody is told."""
        _ip("-n", self.hub, "link", "set", name, "nomaster")

    def bring_back(self, name: str) -> None:
        """Plug it in again."""
        _ip("-n", self.hub, "link", "set", name, "master", "bridge")

    @contextmanager
    def standing(self) -> Generator[None]:
        """Make them; take them away at the end.

        Raises:
            RuntimeError: this machine does not let us.
        """
        made: list[str] = []
        try:
            for one in (self.hub, *(f"{self._mark}-{name}" for name in self._names)):
                _ip("netns", "add", one)
                made.append(one)
                _ip("-n", one, "link", "set", "lo", "up")
            _ip("-n", self.hub, "link", "add", "bridge", "type", "bridge")
            _ip("-n", self.hub, "link", "set", "bridge", "up")
            _give_address(self.hub, self.hub_address, "bridge")
            for name in self._names:
                host = f"{self._mark}-{name}"
                cable = ("type", "veth", "peer", "name", "cable", "netns", host)
                _ip("-n", self.hub, "link", "add", name, *cable)
                self.bring_back(name)
                _ip("-n", self.hub, "link", "set", name, "up")
                _give_address(host, self.address(name), "cable")
                _ip("-n", host, "link", "set", "cable", "up")
            yield
        finally:
            for one in made:
                _ip("netns", "delete", one)


def _give_address(host: str, address: str, device: str) -> None:
    _ip("-n", host, "address", "add", f"{address}/{PREFIX_LENGTH}", "dev", device)


def _ip(*arguments: str) -> None:
    try:
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)  # noqa: S607
    except FileNotFoundError:
        raise RuntimeError("this needs the command `ip` of iproute2") from None
    except subprocess.CalledProcessError as error:
        raise RuntimeError(
            "this machine does not let us make network namespaces (root, or CAP_NET_ADMIN and "
            f"CAP_SYS_ADMIN, is needed): `ip {' '.join(arguments)}`: {error.stderr.strip()}"
        ) from None
