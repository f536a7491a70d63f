"""Every error the node raises on purpose, under one root; each also inherits the builtin it resembles.

A message says what is wrong and what to do next, in one line, because a technician reads it on a serial console.
"""


class AnprError(Exception):
    """Root of all errors that anpr-node raises on purpose."""


class ConfigError(AnprError, ValueError):
    """A setting is unknown, out of range or of the wrong type; the node refuses to start."""


class ModelError(AnprError, ValueError):
    """A model file does not fit its model.toml, or the runtime cannot load it; the node refuses to start."""


class PictureError(AnprError, ValueError):
    """A picture cannot be decoded or is unusable; the other pictures go on."""


class ClipError(AnprError, ValueError):
    """A clip cannot be opened or breaks off; what was decoded before still counts."""


class FrameTimeout(AnprError, TimeoutError):
    """The camera delivered no frame in time: the trigger stopped, or the camera stalled."""


class CameraClosed(AnprError, RuntimeError):
    """A frame was asked of a camera that is closed."""


class CameraFault(AnprError, RuntimeError):
    """The camera stays faulty whatever was tried within the process; a new process may do better."""


class PowerCycleNeeded(CameraFault):
    """New processes did not help either: only switching the power off and on is left."""


class HotlistError(AnprError, ValueError):
    """A hotlist file is unusable as a whole; the list that was there before stays in force."""


class QueryError(AnprError, ValueError):
    """A search asks for what no read can be; it is not answered with "nothing found"."""


class StoreError(AnprError, OSError):
    """The store cannot be opened or written; nothing is signalled that is not on the card."""


class StoreDamaged(StoreError):
    """The store's file is broken: trying again does not help, it has to be set aside and salvaged."""


class StoreLogLost(StoreError):
    """The store's log was deleted under the node; everything is in the file again, and the node has to start anew."""


class EvidenceError(AnprError, ValueError):
    """A file is no evidence package, or not as the node signed it."""


class WiringError(AnprError, OSError):
    """A pin cannot be driven: in use, absent, or held longer than the circuit allows."""


class ModemError(AnprError, OSError):
    """The modem, its card or its network does not do what it should; the node goes on without it."""


class ModemGone(ModemError):
    """The modem's device is not there, or went away."""


class ModemTaken(ModemGone):
    """The modem's device is in another program's hands."""


class ModemSilent(ModemError):
    """The modem did not answer a command in its time."""


class ModemRestarted(ModemError):
    """The modem started anew in the middle of a command."""


class ModemRefused(ModemError):
    """The modem answered a command with an error."""


class ModemLocked(ModemError):
    """The card wants a PIN that is not given, was refused before, or must not be tried: a person has to see to it."""


class ModemLeft(ModemError):
    """The node stops, and the modem is left in the middle of what it was doing."""


class PowerFailing(AnprError, OSError):
    """The supply has given its warning: the node stops in order while the hold-up lasts."""


class RefusedByPolicy(AnprError, PermissionError):
    """The request is understood and refused: no reason given, or not allowed to this person."""
