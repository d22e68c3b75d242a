"""replay - the decisions of a run, and the plain schedule that they make of the one that it began with.

A run is a list of pieces: each plays a schedule from some step of its own clock on, or holds it there, times a factor. A decision
changes the pieces from its step on and nothing before. Each event is `[step, kind, value]`, JSON-safe.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple, cast

from ._arguments import LARGEST_STEP, position, positive, real, shown, whole_duration
from .builders import wsd
from .schedule import Schedule, sequence
from .shapes import constant

Event = list[Any]

NEVER = 2**64  # past every step: when the clock goes on that nobody has resumed yet
OF_THE_LR = {"decay", "reduce"}  # the other kinds are about the clock, which all hyperparameters share


class Piece(NamedTuple):
    begin: int  # the first step of the run that is this piece's
    source: Schedule
    clock: int  # the source's step there
    factor: float = 1.0
    held: bool = False  # the clock stands

    def moved(self, step: int) -> "Piece":
        """The rest of the piece from a later step on."""
        return self._replace(begin=step, clock=self.clock if self.held else self.clock + step - self.begin)

    def schedule(self) -> Schedule:
        """The piece on a clock of its own."""
        source, clock = self.source, min(self.clock, LARGEST_STEP)
        if self.held or (source.length is not None and clock >= source.length):
            return constant(source(clock) * self.factor).named(phase_at(source, clock))
        return source.skip(clock) * self.factor


def phase_at(schedule: Schedule, step: int) -> str:
    """The name of the phase that a step belongs to; past the end, of the last."""
    name = "hold"  # of a schedule whose parts own no integer step
    for phase in schedule.phases():
        name = phase.name
        if phase.stop is None or step < phase.stop:
            break
    return name


def _pause(pieces: list[Piece], index: int, steps: int) -> None:
    """Let the clock stand for some steps; what was to come comes later."""
    here = pieces[index]
    later = pieces[index + 1 :] if here.held else pieces[index:]
    pieces[index:] = [here._replace(held=True), *(piece._replace(begin=piece.begin + steps) for piece in later)]


def _running(pieces: list[Piece], index: int) -> int:
    """The index of the piece with which the clock goes on; the last one always runs."""
    return next(k for k in range(index, len(pieces)) if not pieces[k].held)


def _hold(pieces: list[Piece], index: int, value: object) -> None:
    _nothing(value)
    _pause(pieces, index, NEVER)


def _resume(pieces: list[Piece], index: int, value: object) -> None:
    _nothing(value)
    step = pieces[index].begin
    if not pieces[index].held:
        raise ValueError(f"resume must come after hold, got a schedule that is not held at step {step}")
    later = pieces[_running(pieces, index) :]
    early = later[0].begin - step
    pieces[index:] = [piece._replace(begin=piece.begin - early) for piece in later]


def _extend(pieces: list[Piece], index: int, value: object) -> None:
    steps = whole_duration("steps", value)
    if pieces[_running(pieces, index)].begin >= NEVER:
        raise ValueError(f"extend must come while the clock runs, got a schedule that is held at step {pieces[index].begin}")
    _pause(pieces, index, steps)


def _reduce(pieces: list[Piece], index: int, value: object) -> None:
    factor = positive("factor", value)
    pieces[index:] = [piece._replace(factor=real("factor", piece.factor * factor)) for piece in pieces[index:]]


def _decay(pieces: list[Piece], index: int, value: object) -> None:
    if not isinstance(value, Mapping) or set(value) != {"steps", "floor", "shape"}:
        raise ValueError(f"decay must say its steps, floor and shape, got {shown(value)}")
    how = cast("Mapping[str, Any]", value)
    begin = pieces[index].begin
    peak = pieces[index].schedule()(0)
    pieces[index:] = [Piece(begin, wsd(peak, 0, 0, how["steps"], how["floor"], decay_shape=how["shape"]), 0)]


def _nothing(value: object) -> None:
    if value is not None:
        raise ValueError(f"hold and resume must have no value, got {shown(value)}")


KINDS: dict[str, Callable[[list[Piece], int, object], None]] = {
    "hold": _hold,
    "resume": _resume,
    "extend": _extend,
    "reduce": _reduce,
    "decay": _decay,
}


def _split(pieces: list[Piece], step: int) -> int:
    """The index of the piece that begins at a step, made of the one that the step belongs to."""
    index = max(k for k, piece in enumerate(pieces) if piece.begin <= step)
    if pieces[index].begin < step:
        index += 1
        pieces.insert(index, pieces[index - 1].moved(step))
    return index


def _pieces(schedule: Schedule, events: list[Event]) -> list[Piece]:
    pieces = [Piece(0, schedule, 0)]
    for step, kind, value in events:
        KINDS[kind](pieces, _split(pieces, step), value)
    return [piece for piece in pieces if piece.begin <= LARGEST_STEP]


def replayed(schedule: Schedule, events: list[Event]) -> Schedule:
    """The schedule of a run that began with `schedule` and took these decisions, in the order in which they were taken."""
    if not events:
        return schedule
    pieces = _pieces(schedule, events)
    return sequence(*(piece.schedule() for piece in pieces), at=[piece.begin for piece in pieces[1:]])


def played(schedule: Schedule, events: list[Event], step: int) -> Piece:
    """What such a run plays from a step on: source, its clock there, whether that stands."""
    pieces = _pieces(schedule, events)
    return pieces[_split(pieces, step)]


def reached(schedule: Schedule, events: list[Event], clock: int) -> int:
    """The step of such a run at which the clock of its schedule first comes to `clock`."""
    for piece, following in pairwise([*_pieces(schedule, events), Piece(LARGEST_STEP, schedule, 0)]):
        step = piece.begin + clock - piece.clock
        if not piece.held and piece.source is schedule and piece.begin <= step <= following.begin:
            return step
    raise ValueError(f"the clock must come to step {clock} of the schedule, got one that is held or decays before")


def checked_events(events: object) -> list[Event]:
    """A private copy of events that came from outside."""
    if not isinstance(events, list | tuple):
        raise TypeError(f"events must be a list, got {shown(events)}")
    found: list[Event] = []
    for index, event in enumerate(cast("list[Any]", events)):
        if not isinstance(event, list | tuple) or len(event) != 3:
            raise TypeError(f"events[{index}] must be [step, kind, value], got {shown(event)}")
        step, kind, value = event
        if not isinstance(kind, str) or kind not in KINDS:
            raise ValueError(f"events[{index}] must be one of {', '.join(KINDS)}, got {shown(kind)}")
        if not isinstance(value, int | float | Mapping | None):
            raise TypeError(f"events[{index}] must have a number, a mapping or None as value, got {shown(value)}")
        found.append([position(f"events[{index}] step", step), kind, dict(value) if isinstance(value, Mapping) else value])
    return found
