"""ModemManager's bus, for mmcli: one modem, whose bearer carries data once it was dialled rightly. No test of its own.

    python3 modem_manager.py WHAT METHOD    on the system bus; WHAT is dialled rightly, METHOD static, dhcp or ppp

Each line of its input changes something: `lose` the link, `move` to another address.
The system's Python runs it, which has Gio.
"""

from __future__ import annotations

import sys

from gi.repository import Gio, GLib

NAME, ROOT = "org.freedesktop.ModemManager1", "/org/freedesktop/ModemManager1"
MODEM, BEARER = f"{ROOT}/Modem/0", f"{ROOT}/Bearer/7"
SIMPLE, CARRIES = f"{NAME}.Modem.Simple", f"{NAME}.Bearer"
INTERFACES = """<node>
<interface name="org.freedesktop.DBus.ObjectManager">
  <method name="GetManagedObjects"><arg type="a{oa{sa{sv}}}" direction="out"/></method>
</interface>
<interface name="org.freedesktop.ModemManager1"><property name="Version" type="s" access="read"/></interface>
<interface name="org.freedesktop.ModemManager1.Modem">%s</interface>
<interface name="org.freedesktop.ModemManager1.Modem.Simple">
  <method name="Connect"><arg type="a{sv}" direction="in"/><arg type="o" direction="out"/></method>
</interface>
<interface name="org.freedesktop.ModemManager1.Bearer">
  <property name="Interface" type="s" access="read"/><property name="Connected" type="b" access="read"/>
  <property name="Ip4Config" type="a{sv}" access="read"/><property name="Properties" type="a{sv}" access="read"/>
</interface></node>"""
SIGNATURES = {
    "State": "i", "Bearers": "ao", "Sim": "o", "SimSlots": "ao", "PrimarySimSlot": "u", "SupportedCapabilities": "au",
    "CurrentCapabilities": "u", "MaxBearers": "u", "MaxActiveBearers": "u", "Manufacturer": "s", "Model": "s",
    "Revision": "s", "CarrierConfiguration": "s", "CarrierConfigurationRevision": "s", "HardwareRevision": "s",
    "DeviceIdentifier": "s", "Device": "s", "Drivers": "as", "Plugin": "s", "PrimaryPort": "s", "Ports": "a(su)",
    "EquipmentIdentifier": "s", "UnlockRequired": "u", "UnlockRetries": "a{uu}", "StateFailedReason": "u",
    "AccessTechnologies": "u", "SignalQuality": "(ub)", "OwnNumbers": "as", "PowerState": "u",
    "SupportedModes": "a(uu)", "CurrentModes": "(uu)", "SupportedBands": "au", "CurrentBands": "au",
    "SupportedIpFamilies": "u",
}  # fmt: skip
"""All that a modem has; mmcli 1.20 falls over one that lacks some."""
NOTHING = {"s": "-", "u": 0, "o": "/", "(ub)": (60, True), "(uu)": (8, 0), "a{uu}": {}}
PROPERTIES = "".join(f'<property name="{name}" type="{kind}" access="read"/>' for name, kind in SIGNATURES.items())
KEYS = {"apn", "ip-type", "user", "password", "allow-roaming"}
METHODS = {"ppp": 1, "static": 2, "dhcp": 3}


class Modem:
    """What stands on the bus."""

    def __init__(self, bus: Gio.DBusConnection, wanted: str, method: str) -> None:
        self.bus, self.wanted, self.method, self.host, self.carries = bus, wanted, method, 2, False
        found = {each.name: each for each in Gio.DBusNodeInfo.new_for_xml(INTERFACES % PROPERTIES).interfaces}
        for path, names in (
            (ROOT, ["org.freedesktop.DBus.ObjectManager", NAME]),
            (MODEM, [f"{NAME}.Modem", SIMPLE]),
            (BEARER, [CARRIES]),
        ):
            for name in names:
                bus.register_object(path, found[name], self.called, self.get, None)

    def get(self, _bus: object, _who: str, _path: str, _interface: str, name: str) -> GLib.Variant:
        known = {
            "Version": GLib.Variant("s", "1.24.0"),
            "State": GLib.Variant("i", 11 if self.carries else 8),
            "Bearers": GLib.Variant("ao", [BEARER]),
            "Interface": GLib.Variant("s", "wwan0"),
            "Connected": GLib.Variant("b", self.carries),
            "Properties": GLib.Variant("a{sv}", {"apn": GLib.Variant("s", "internet")}),
            "Ip4Config": GLib.Variant("a{sv}", self.given() if self.carries else {}),
        }
        kind = SIGNATURES.get(name, "")
        return known[name] if name in known else GLib.Variant(kind, NOTHING.get(kind, []))

    def given(self) -> dict[str, GLib.Variant]:
        """What the network gave."""
        given = {"method": GLib.Variant("u", METHODS[self.method])}
        if self.method == "static":
            given |= {
                "address": GLib.Variant("s", f"10.64.0.{self.host}"), "prefix": GLib.Variant("u", 29),
                "gateway": GLib.Variant("s", "10.64.0.1"), "mtu": GLib.Variant("u", 1430),
                "dns1": GLib.Variant("s", "10.64.1.1"), "dns2": GLib.Variant("s", "10.64.1.2"),
            }  # fmt: skip
        return given

    def called(self, _bus: object, _who: str, _path: str, _interface: str, name: str, given: GLib.Variant,
               answer: Gio.DBusMethodInvocation) -> None:  # fmt: skip
        if name == "GetManagedObjects":
            modem = {key: self.get(None, "", "", "", key) for key in SIGNATURES}
            content = {MODEM: {f"{NAME}.Modem": modem, SIMPLE: {}}}
            answer.return_value(GLib.Variant("(a{oa{sa{sv}}})", (content,)))
            return
        dialled = ",".join(f"{key}={value}" for key, value in sorted(given.unpack()[0].items()) if key in KEYS)
        if dialled == self.wanted:
            self.carries = True
            self.changed()
            answer.return_value(GLib.Variant("(o)", (BEARER,)))
        else:
            answer.return_dbus_error(f"{NAME}.Error.MobileEquipment.Unknown", "requested service option not subscribed")

    def changed(self) -> None:
        now = {name: self.get(None, "", "", "", name) for name in ("Connected", "Ip4Config")}
        self.bus.emit_signal(None, BEARER, "org.freedesktop.DBus.Properties", "PropertiesChanged",
                             GLib.Variant("(sa{sv}as)", (CARRIES, now, [])))  # fmt: skip

    def obey(self, line: str) -> None:
        """A line of the input."""
        if line == "lose":
            self.carries = False
        elif line == "move":
            self.host += 1
        self.changed()


def main() -> None:
    """Stand on the bus until the input ends."""
    bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
    modem, loop = Modem(bus, sys.argv[1], sys.argv[2]), GLib.MainLoop()
    Gio.bus_own_name_on_connection(bus, NAME, Gio.BusNameOwnerFlags.NONE, None, None)

    def read(*_: object) -> bool:
        line = sys.stdin.readline()
        if not line:
            loop.quit()
            return False
        modem.obey(line.strip())
        return True

    GLib.io_add_watch(0, GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, read)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    loop.run()


if __name__ == "__main__":
    main()
