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
    firmware: tuple[str, ...] = ()
    kernel_suite: str = SUITE


ROOT_MODULES = ("squashfs", "overlay", "ext4", "vfat", "nls_cp437", "nls_ascii")
KEPT = ("fs", "net/ipv4", "net/ipv6", "net/netfilter", "drivers/net/ppp", "drivers/block", "drivers/md",
        "drivers/watchdog", "drivers/net/tun.ko", "drivers/net/slip", "crypto", "lib", "net/core", "net/packet",
        "drivers/usb/serial", "drivers/usb/class", "drivers/net/usb", "drivers/net/wwan", "drivers/pwm", "drivers/gpio",
        "drivers/net/phy", "drivers/net/virtio_net.ko", "drivers/char/hw_random", "net/sched", "drivers/virtio",
        "drivers/net/net_failover.ko", "net/unix", "net/key", "net/xfrm", "drivers/net/mii.ko", "drivers/dma-buf")  # fmt: skip

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
            KEPT,
            ("raspi-firmware",),
        ),
    )
}  # fmt: skip
