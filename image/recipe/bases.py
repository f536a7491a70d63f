"""What differs between the bases, and nothing else: architecture, archive, kernel, and the modules an initrd needs."""

from __future__ import annotations

from dataclasses import dataclass

SUITE = "trixie"
PYTHON = "3.13"
"""What the suite brings; wheels are chosen for it."""


@dataclass(frozen=True, slots=True)
class Base:
    """One base that the recipe can be applied to here."""

    name: str
    architecture: str
    platform: str
    kernel: str
    modules: tuple[str, ...]
    keep_modules: tuple[str, ...]
    kernel_suite: str = SUITE


ROOT_MODULES = ("crc32c_generic", "squashfs", "overlay", "ext4", "vfat", "nls_cp437", "nls_ascii")
KEPT = (
    "fs",
    "lib",
    "crypto",
    "net/ipv4",
    "net/ipv6",
    "net/netfilter",
    "net/core",
    "net/packet",
    "net/sched",
    "net/unix",
    "net/key",
    "net/xfrm",
    "drivers/block",
    "drivers/md",
    "drivers/watchdog",
    "drivers/pwm",
    "drivers/gpio",
    "drivers/virtio",
    "drivers/dma-buf",
    "drivers/char/hw_random",
    "drivers/net/ppp",
    "drivers/net/slip",
    "drivers/net/usb",
    "drivers/net/wwan",
    "drivers/net/phy",
    "drivers/net/tun.ko",
    "drivers/net/mii.ko",
    "drivers/net/virtio_net.ko",
    "drivers/net/net_failover.ko",
    "drivers/usb/serial",
    "drivers/usb/class",
)
"""Modules that a node can need; the others would fill the slot."""

# the twin's kernel is a program of the machine below, whose libraries may be older than the suite's
BASES = {
    base.name: base
    for base in (
        Base("amd64-uml", "amd64", "x86_64", "user-mode-linux", (*ROOT_MODULES, "softdog"), KEPT,
             kernel_suite="bookworm"),
        Base(
            "arm64-virt",
            "arm64",
            "aarch64",
            "linux-image-arm64",
            (*ROOT_MODULES, "virtio_pci", "virtio_mmio", "virtio_blk", "virtio_net", "virtio_rng", "sdhci_iproc",
             "bcm2835", "mmc_block", "i6300esb", "bcm2835_wdt"),
            (*KEPT, "drivers/mmc", "drivers/dma", "drivers/mailbox", "drivers/usb", "drivers/rtc", "drivers/i2c"),
        ),
    )
}  # fmt: skip

RPI = Base("rpi", "arm64", "aarch64", "", (*ROOT_MODULES, "bcm2835_wdt"), ())
"""Made by rpi-image-gen; see rpi.py. Its modules are in the root already."""
