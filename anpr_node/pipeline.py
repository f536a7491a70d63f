"""The tight loop's body: one frame in, the plate reads that became ripe out.

It never waits: no disk, no network, no output pin. Whoever calls it hands its reads on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from anpr_node import __version__
from anpr_node.config import Settings
from anpr_node.drivers.clock import Clock
from anpr_node.ids import Ids
from anpr_node.records import PARKED, Evidence, Frame, PlateBox, PlateRead, Reading
from anpr_node.tracking.passage import Passage, touches_edge
from anpr_node.tracking.repeats import Published, RecentReads
from anpr_node.tracking.tracker import Track, Tracker
from anpr_node.tracking.vote import Vote
from anpr_node.units import NS_PER_US
from anpr_node.vision import syntax
from anpr_node.vision.reader import PlateReader

TWIN_OVERLAP = 0.3
ENTERED_HEIGHTS = 0.6
"""A rough box nearer to the edge than this may show a part of a plate, which grows as it comes in, whatever its way."""
UNREAD_SIGHTINGS_MIN = 3
"""What looked like a plate in fewer frames and gave no text was lettering or a lamp, no vehicle that went unread."""


@dataclass(frozen=True, slots=True)
class Ripe:
    """A read that is ready for the recorder, with its pictures."""

    read: PlateRead
    evidence: Evidence
    decided_ns: int | None = None
    """Monotonic end of the exposure of the frame that decided; None at the end of a recording."""


@dataclass
class Counters:
    """What the loop did so far; each rejection is counted, so that nothing disappears unseen."""

    frames: int = 0
    looks: int = 0
    reads: int = 0
    corrections: int = 0
    repeats: int = 0
    unread: int = 0
    """Tracks that were looked at and gave no read: plates that nobody could read, and signs that are none."""


class Pipeline:
    """Detection, tracking, recognition and voting of one camera, on one thread."""

    def __init__(self, reader: PlateReader, clock: Clock, settings: Settings) -> None:
        self._reader = reader
        self._clock = clock
        self.ids = Ids()
        self._settings = settings
        self._tracker = Tracker(settings.tracking)
        self._passages: dict[int, Passage] = {}
        self._recent = RecentReads(settings.tracking.repeat_s)
        self._decided_ns: int | None = None
        self.counters = Counters()

    @property
    def model_id(self) -> str:
        """Of the models that read here."""
        return self._reader.model_id

    def process(self, frame: Frame) -> list[Ripe]:
        """Look at one frame; returns the reads to publish now, most often none."""
        self.counters.frames += 1
        boxes = self._reader.detector.first_look(frame)
        seen = self._tracker.update(boxes, frame.captured_ns)
        for track in seen:
            if touches_edge(track.first_box, frame, ENTERED_HEIGHTS):
                track.set_out_here()
        self._read_some(seen, frame)
        gone = self._tracker.out_of_sight(frame.captured_ns)
        self._tracker.drop_lost(frame.captured_ns)
        self._decided_ns = frame.captured_ns + frame.exposure_us * NS_PER_US // 2
        return [*self._publish(seen, ended=False), *self._publish(gone, ended=True)]

    def boxes_in(self, frame: Frame) -> list[PlateBox]:
        """The plates seen in the frame just processed."""
        return [track.box for track in self._tracker.tracks if track.last_seen_ns == frame.captured_ns]

    def finish(self) -> list[Ripe]:
        """The camera has ended: what is still in view is published on what is known."""
        tracks, self._tracker.tracks = self._tracker.tracks, []
        self._decided_ns = None
        return list(self._publish(tracks, ended=True))

    def _read_some(self, seen: list[Track], frame: Frame) -> None:
        """Spend this frame's few looks on the plates that need them most: those with the fewest so far."""
        waiting = [(self._passage(track), track) for track in seen]
        waiting = [(passage, track) for passage, track in waiting if passage.wants(track.rough, frame)]
        waiting.sort(key=lambda pair: (pair[0].attempts, -pair[1].box.width_px))
        for passage, track in waiting[: self._settings.reading.looks_per_frame_max]:
            if track in self._tracker.tracks:  # an earlier look of this frame may have found it to be a twin
                self._look(passage, track, frame)

    def _look(self, passage: Passage, track: Track, frame: Frame) -> None:
        self.counters.looks += 1
        passage.tried(track.rough.width_px, frame)
        view = self._reader.look(frame.pixels, track.box)
        if view is None or touches_edge(view.box, frame) or self._is_twin(track, view.box):
            return
        track.refine(view.box)
        passage.add(Reading(frame.sequence, frame.captured_ns, view.box, view.plate), view.patch, frame)

    def _is_twin(self, track: Track, sharp: PlateBox) -> bool:
        """Whether the second look found another track's plate: a badge beside a plate leads to the plate itself.

        The younger of the two tracks is dropped.
        """
        for other in self._tracker.tracks:
            seen_now = other is not track and other.last_seen_ns == track.last_seen_ns
            if seen_now and other.box.overlap(sharp) > TWIN_OVERLAP:
                younger = min(track, other, key=self._age)
                self._tracker.forget(younger)
                self._passages.pop(younger.track_id, None)
                return younger is track
        return False

    def _age(self, track: Track) -> tuple[bool, int]:
        return self._passage(track).published is not None, track.sightings

    def _passage(self, track: Track) -> Passage:
        """The track's passage; one that stood and comes back into sight begins another."""
        return self._passages.setdefault(track.track_id, Passage(self._settings.reading, track.last_seen_ns))

    def _publish(self, tracks: list[Track], ended: bool) -> Iterator[Ripe]:
        for track in tracks:
            passage = self._passages.pop(track.track_id, None) if ended else self._passages.get(track.track_id)
            verdict = passage.verdict_to_publish(ended) if passage else None
            if passage and verdict and not self._is_repeat(verdict, track, passage):
                yield self._ripe(passage, verdict, track)
            elif ended and passage and passage.published is None and passage.attempts:
                self.counters.unread += track.sightings >= UNREAD_SIGHTINGS_MIN

    def _is_repeat(self, verdict: Vote, track: Track, passage: Passage) -> bool:
        """Whether this passage was published a moment ago by a track that broke off; then it is done with."""
        if passage.published is not None:
            return False
        before = self._recent.find(verdict.text, passage.since_ns, track, passage.is_sure)
        if before is None:
            return False
        passage.published, passage.published_id = before.text, before.read_id
        passage.corrections = before.corrections
        self.counters.repeats += 1
        return True

    def _ripe(self, passage: Passage, verdict: Vote, track: Track) -> Ripe:
        kept = passage.kept[verdict.text]
        flags: tuple[str, ...] = (PARKED,) if track.stands else ()
        if syntax.fits(verdict.text, verdict.country) is False:
            flags += ("format_mismatch",)
        corrects, before = passage.published_id, passage.published
        if before is not None:
            passage.corrections += 1
            self.counters.corrections += 1
            flags += (f"corrected_from:{before}",)
        else:
            self.counters.reads += 1
        last_seen_ns = self._clock.utc_ns(track.last_seen_ns)
        read = PlateRead(
            read_id=self.ids.make(last_seen_ns),
            node_id=self._settings.node.id,
            vrm=verdict.text,
            country=verdict.country,
            confidence=verdict.confidence,
            candidates=verdict.candidates,
            votes=verdict.votes,
            first_seen_ns=self._clock.utc_ns(passage.since_ns),
            last_seen_ns=last_seen_ns,
            clock=self._clock.state(),
            lane=self._settings.node.lane,
            direction=track.direction,
            box=kept.reading.box,
            plate_width_px=round(kept.reading.box.width_px),
            exposure_us=kept.exposure_us,
            model_id=self._reader.model_id,
            software_version=__version__,
            flags=flags,
            corrects=corrects,
        )
        passage.published, passage.published_id = verdict.text, read.read_id
        self._recent.remember(Published(verdict.text, read.read_id, passage.corrections, track), corrects)
        return Ripe(read, kept.evidence, self._decided_ns)
