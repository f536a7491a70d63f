"""snap, aim, pull: what the camera sees, drawn in characters or as a picture, and files fetched over the same cable.

Whoever may not see plates gets pictures in which none can be read: small ones, with every plate found blotted out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from base64 import encodebytes
from pathlib import Path

import numpy as np

from anpr_node import pictures
from anpr_node.console.context import Context, NotUnderstood
from anpr_node.console.drawing import in_characters
from anpr_node.console.graphics import kitty, says_kitty, says_sixel, sixel
from anpr_node.console.look_commands import short
from anpr_node.console.registry import command
from anpr_node.console.terminal import side_by_side
from anpr_node.errors import AnprError
from anpr_node.records import Plane, PlateBox
from anpr_node.tap import Taken

BLIND_WIDTH_PX = 240
"""A plate that fills a sixth of such a picture has characters four pixels wide: it shows where, not which."""
BLOT_MARGIN = 0.6
JPEG_QUALITY = 85
DRAWN_COLUMNS, DRAWN_ROWS = 78, 30
SHOWN_WIDTH_PX = 480
TRANSFER_S = 900.0
SILENCE_S, SILENCE_TRIES_MAX = 2.0, 100
FILES_MAX = 8
AIM_WAIT_S = 2.0
AIMED_MAX = 200
AIMED = ("plate_width_px", "roll_deg", "centre_x", "centre_y")
BEGIN, END = "-----BEGIN {}-----", "-----END {}-----"


def offer(context: Context, name: str, data: bytes) -> None:
    """Let a file be fetched; the oldest goes when there are many."""
    files = context.files
    files.pop(name, None)
    files[name] = data
    while len(files) > FILES_MAX:
        files.pop(next(iter(files)))
    context.terminal.say(f"{name} ({len(data)} bytes): fetch it with `pull {name}`, see `help pull`")


@command("snap", "look", "console look", "snap [plate] [sixel | kitty]", "what the camera sees, drawn in characters",
         lambda _, __: ["plate", "sixel", "kitty"])  # fmt: skip
def snap(context: Context, words: list[str]) -> None:
    """Takes one picture, with `plate` the next one with a plate in it, and draws it in characters, plates framed.
    With sixel or kitty as a picture, where the terminal answers that it can. It can then be fetched with `pull
    snap.jpg`. Roles that may not see plates get a small picture with plates blotted out.
    """
    unknown = set(words) - {"plate", "sixel", "kitty"}
    if unknown:
        raise NotUnderstood("snap [plate] [sixel | kitty]")
    taken = context.node.frames(1, "plate" in words, 4.0)
    if not taken:
        raise AnprError("no such frame came: is the trigger running, does a vehicle pass? see: trigger test")
    frame = taken[0]
    boxes = _all_plates(context, frame)
    shown = shown_plane(frame.pixels, boxes, context.sees_plates)
    _draw(context, frame, shown, boxes, words)
    if context.sees_plates:
        context.note("snap", object="picture with plates in clear")
    offer(context, "snap.jpg", pictures.encode_jpeg(shown, JPEG_QUALITY))


@command("aim", "look", "console look", "aim [COUNT] [sixel | kitty]", "the picture again and again, to aim by",
         lambda _, __: ["sixel", "kitty"])  # fmt: skip
def aim(context: Context, words: list[str]) -> None:
    """Draws the next picture with a plate in it, or any when none comes, with the plate's width, roll and place below,
    until a key is pressed or as many were drawn as are wanted: for whoever turns the camera. Nothing is kept.
    """
    counts = [int(word) for word in words if word.isdecimal()]
    if set(words) - {"sixel", "kitty", *map(str, counts)}:
        raise NotUnderstood("aim [COUNT] [sixel | kitty]")
    survey = context.measuring()
    survey.forget()
    for _ in range(min([*counts, AIMED_MAX])):
        taken = context.node.frames(1, True, AIM_WAIT_S) or context.node.frames(1, False, AIM_WAIT_S)
        if not taken:
            raise AnprError("no frame comes: is the trigger running? see: trigger test")
        boxes = _all_plates(context, taken[0])
        _draw(context, taken[0], shown_plane(taken[0].pixels, boxes, context.sees_plates), boxes, words)
        survey.see(AIM_WAIT_S / 2)
        context.terminal.say("  " + side_by_side((short(each) for each in survey.judged(AIMED)), "|"), indent=4)
        if context.terminal.stopped(0.1):
            break
    if context.sees_plates:
        context.note("aim", object="pictures with plates in clear")


def _all_plates(context: Context, frame: Taken) -> list[PlateBox]:
    """What the loop saw, and for those who may not see plates what a thorough search sees as well."""
    if context.sees_plates:
        return list(frame.boxes)
    return [*frame.boxes, *context.search(frame.pixels)]


def shown_plane(pixels: Plane, boxes: list[PlateBox], clear: bool) -> Plane:
    """The picture as this person may see it."""
    if clear:
        return pixels
    blotted = pixels.copy()
    for box in boxes:
        x1, y1, x2, y2 = box.bounds
        grow_x, grow_y = BLOT_MARGIN * (x2 - x1) / 2, BLOT_MARGIN * (y2 - y1)
        top, bottom = max(0, int(y1 - grow_y)), int(y2 + grow_y) + 1
        left, right = max(0, int(x1 - grow_x)), int(x2 + grow_x) + 1
        part = blotted[top:bottom, left:right]
        if part.size:
            part[:] = int(np.median(part))
    width, height = pictures.fit_size(blotted.shape, BLIND_WIDTH_PX, BLIND_WIDTH_PX)
    return pictures.resize(blotted, width, height)


def _draw(context: Context, frame: Taken, shown: Plane, boxes: list[PlateBox], words: list[str]) -> None:
    terminal, picture = context.terminal, shown
    width, height = pictures.fit_size(picture.shape, SHOWN_WIDTH_PX, SHOWN_WIDTH_PX)
    if "sixel" in words or "kitty" in words:
        ask, draw = (says_sixel, sixel) if "sixel" in words else (says_kitty, kitty)
        if ask(terminal):
            terminal.port.write(draw(pictures.resize(picture, width, height)))
            terminal.raw("\r\n")
            return
        terminal.say("the terminal does not say that it can; here it is in characters:")
    scale = shown.shape[1] / frame.pixels.shape[1]
    for line in in_characters(shown, boxes, scale, DRAWN_COLUMNS, DRAWN_ROWS):
        terminal.raw(line + "\r\n")
    rows, columns = frame.pixels.shape
    terminal.say(
        f"{columns}x{rows}, {frame.exposure_us} us, {'lit' if frame.illuminated else 'dark'}, "
        f"mean {frame.pixels.mean():.0f}, "
        f"plates: {len(frame.boxes)}"
    )


@command("pull", "look", "console look", "pull [FILE] [base64]", "fetch a picture, bundle or report over this cable",
         lambda context, _: list(context.files))  # fmt: skip
def pull(context: Context, words: list[str]) -> None:
    """Sends a file by ZMODEM. In picocom: type `pull snap.jpg`, then Ctrl-A Ctrl-R and Enter (it runs rz; Debian
    package lrzsz). In minicom it starts by itself. Without such a program: `pull snap.jpg base64` prints it as
    text between two lines; copy it and decode it with: base64 -d. Without a name: what can be fetched.
    """
    files = context.files
    if not words:
        for name, data in files.items():
            context.terminal.say(f"{name:<20}{len(data)} bytes")
        if not files:
            context.terminal.say("nothing yet: make something with snap, bundle or report")
        return
    if words[0] not in files:
        raise NotUnderstood(f"there is no {words[0]}; make it first with snap, bundle or report")
    if "base64" in words[1:]:
        _print_base64(context, words[0], files[words[0]])
    else:
        _send(context, words[0], files[words[0]])


def _wait_for_silence(context: Context) -> None:
    """The far end's program takes a moment to leave; what is said before it has gone, it swallows."""
    for _ in range(SILENCE_TRIES_MAX):
        if not context.terminal.port.read(SILENCE_S):
            return


def _print_base64(context: Context, name: str, data: bytes) -> None:
    context.terminal.raw(BEGIN.format(name) + "\r\n")
    for line in encodebytes(data).decode("ascii").splitlines():
        context.terminal.raw(line + "\r\n")
    context.terminal.raw(END.format(name) + "\r\n")


def _send(context: Context, name: str, data: bytes) -> None:
    """Let sz have the line until it is done, or the far end gives up."""
    if shutil.which("sz") is None:
        raise AnprError(f"the node has no sz (package lrzsz): use `pull {name} base64`")
    context.terminal.say("sending by ZMODEM: in picocom Ctrl-A Ctrl-R Enter; five Ctrl-X give up")
    context.terminal.drop_typed()
    read_fd, write_fd = context.terminal.port.fds()
    with tempfile.TemporaryDirectory(prefix="anpr-pull-") as folder:
        path = Path(folder) / name  # the far end takes the name from here
        path.write_bytes(data)
        blocking = os.get_blocking(read_fd), os.get_blocking(write_fd)
        try:
            os.set_blocking(read_fd, True)
            os.set_blocking(write_fd, True)
            done = subprocess.run(
                ["sz", "--escape", "--quiet", "--", str(path)],
                stdin=read_fd,
                stdout=write_fd,
                stderr=subprocess.DEVNULL,
                timeout=TRANSFER_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise AnprError("nobody took the file") from None
        finally:
            os.set_blocking(read_fd, blocking[0])
            os.set_blocking(write_fd, blocking[1])
    _wait_for_silence(context)
    context.terminal.raw("\r\n")
    if done.returncode:
        raise AnprError(
            f"{name} was not taken: start rz at your end (picocom: Ctrl-A Ctrl-R), or use `pull {name} base64`"
        )
    context.terminal.say(f"{name} sent")
