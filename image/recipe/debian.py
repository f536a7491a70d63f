"""Debian's archive: a package list of the suite that leaves this machine's own alone, and unpacked packages from it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
CONFIGURATION = """APT::Architecture "{architecture}";
APT::Architectures "{architecture}";
APT::Sandbox::User "";
Dir::Etc::SourceList "{folder}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State "{folder}";
Dir::State::Lists "{folder}/lists";
Dir::State::status "/dev/null";
Dir::Cache "{folder}/cache";
"""


def sources(suite: str) -> list[str]:
    """The lines of an apt source list: the suite, its security updates, its late ones."""
    mirror = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
    security = os.environ.get("DEBIAN_SECURITY_MIRROR", f"{mirror}-security")
    return [f"deb {mirror} {suite} main", f"deb {mirror} {suite}-updates main", f"deb {security} {suite}-security main"]


class Archive:
    """One suite for one architecture, in a folder of its own."""

    def __init__(self, folder: Path, architecture: str, suite: str) -> None:
        """Fetch the package list."""
        self._folder = folder.absolute()
        for name in ("lists/partial", "cache/archives/partial"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        signed = [line.replace("deb ", f"deb [signed-by={KEYRING}] ") for line in sources(suite)]
        (self._folder / "sources.list").write_text("\n".join(signed) + "\n")
        configuration = CONFIGURATION.format(architecture=architecture, folder=self._folder)
        (self._folder / "apt.conf").write_text(configuration)
        self._run("apt-get", "update", "-qq")

    def unpack(self, package: str, into: Path) -> str:
        """Unpack a package without installing it; its version."""
        into.mkdir(parents=True, exist_ok=True)
        self._run("apt-get", "download", "-qq", package)
        archive = max(self._folder.glob(f"{package}_*.deb"), key=lambda path: path.stat().st_mtime)
        subprocess.run(["dpkg-deb", "-x", archive, into], check=True)
        return archive.name.split("_")[1]

    def kernel_of(self, package: str) -> str:
        """The package with the kernel itself that a name without version asks for."""
        lines = self._run("apt-cache", "depends", package).splitlines()
        depends = [line.split()[-1] for line in lines if "Depends: linux-image" in line]
        return depends[0] if depends else package

    def _run(self, *command: str) -> str:
        environment = {**os.environ, "APT_CONFIG": str(self._folder / "apt.conf")}
        return subprocess.run(
            command, env=environment, cwd=self._folder, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
