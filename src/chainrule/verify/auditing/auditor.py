"""The verdict on a program that was read: which loss it means, and which of its gradients are not that loss's."""

# Arrays hold numbers of any type.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.core.operation import book, compositions
from chainrule.core.walk import finished_first
from chainrule.program import Step
from chainrule.verify.agreement import ratio_everywhere
from chainrule.verify.auditing.claims import Claim, claims_of, differences_of, losses_of
from chainrule.verify.auditing.clock import Clock, Late
from chainrule.verify.auditing.reader import Assigned, Reader
from chainrule.verify.auditing.replay import LOSES, Loss, Replay
from chainrule.verify.auditing.report import Audit, Checked
from chainrule.verify.auditing.values import Class, Function
from chainrule.verify.grade import grade_several
from chainrule.verify.marking.editor import Editor
from chainrule.verify.marking.fingerprints import Fingerprint
from chainrule.verify.marking.marked import Mistake, mistake_of, told
from chainrule.verify.marking.working import Working

add_up, log = compositions["sum"], book["log"]

PLACING = 1.0
"""How long the line of a mistake is looked for when that time is up."""

MOST_NOTES = 12_000
"""Operations of a program that are looked at again."""

MOST_NUMBERS = 2_000_000
"""Numbers that all of them give."""


def audited(reader: Reader, name: str, clock: Clock) -> Audit:
    unread = list(dict.fromkeys([*reader.unread, *uncalled(reader)]))
    claims = claims_of(reader)
    size = sum(np.size(note.value) for note in reader.tape.notes)
    if claims and (len(reader.tape.notes) > MOST_NOTES or size > MOST_NUMBERS):
        unread.insert(0, f"its arrays are too large to be looked at again ({size:,} numbers): give smaller ones")
        claims = []
    if not claims:
        return Audit(name, (), (), tuple(unread))
    found = Auditor(reader, claims, clock).audit(name, unread)
    said = ("a file is read as text: some text was taken for it",) if reader.library.is_text_assumed else ()
    return replace(found, remarks=(*found.remarks, *said))


NEVER_CALLED = " is never called: what it takes is not known"


def uncalled(reader: Reader) -> list[str]:
    """Functions and classes of the file that nothing uses, so that their arguments are not known."""
    found = [f"{f.name}{NEVER_CALLED}" for f in reader.uncalled() if f.name]
    for kind in reader.scope.names.values():
        methods = (
            [x.name for x in kind.attributes.values() if isinstance(x, Function)] if isinstance(kind, Class) else []
        )
        if methods and reader.called.isdisjoint(methods):
            found.append(f"no {kind.name} is ever made: add lines that make one and train it on a few numbers")
    return found


@dataclass
class Reading:
    """One loss that a program may have, and how its claims stand to that."""

    what: str
    written: bool
    needed: set[int]
    """The places of the tape that the loss is computed from."""
    replay: Replay
    ratios: dict[Claim, float | None]
    """The constant by which each claim is larger than the gradient; None where it is no multiple."""
    base: float | None
    """The constant that most claims share."""
    decays: frozenset[Claim] = frozenset()
    """Claims with a multiple of the parameter itself beside the gradient."""
    left: tuple[Claim, ...] = ()
    """Claims of parameters that the loss does not depend on."""

    @property
    def right(self) -> list[Claim]:
        """The claims that are the gradient, up to the constant that all share."""
        base = self.base
        return [c for c, r in self.ratios.items() if base is not None and r is not None and same(r, base)]


class Auditor:
    """Weighs the losses that a program may mean, and grades its claims by the one that explains most."""

    def __init__(self, reader: Reader, claims: Sequence[Claim], clock: Clock) -> None:
        self.reader = reader
        self.claims = claims
        self.clock = clock
        self.regularised: set[int] = set()
        """Parameters that a written loss keeps small by a term of their own."""
        self.remarks: list[str] = []
        self.too_late = f"after {clock.seconds:g} seconds the rest was not looked at: give smaller arrays"

    def audit(self, name: str, unread: list[str]) -> Audit:
        readings: list[Reading] = []
        for what, written, loss, needed in self.losses():
            # Where some gradients are those of a loss that is written, no part of it is meant, and without a term that
            # keeps parameters small no other.
            fits = [reading for reading in readings if reading.written and reading.right]
            if any(needed < reading.needed for reading in fits) or (fits and not written and self.regularised):
                continue
            try:
                readings.append(self.reading(what, written, loss, needed))
            except LOSES as error:
                unread.insert(0, f"{what} cannot be followed: {str(error).splitlines()[0] if str(error) else error!r}")
                continue
            except Late:
                unread.insert(0, self.too_late)
                break
            if readings[-1].base is not None and len(readings[-1].right) == len(readings[-1].ratios):
                break
        if not readings:
            line = self.claims[0].line
            unread.insert(0, f"no loss was found that these gradients could be of, as at {line}")
            return Audit(name, (), (), tuple(unread))
        best = max(readings, key=lambda reading: (len(reading.right), reading.written))
        checked = self.checked(best, readings)
        for claim in best.left:
            unread.insert(0, f"of {best.what}, {claim.name} is no part: {claim.line}")
        return Audit(name, tuple(checked), tuple(dict.fromkeys(self.remarks)), tuple(unread))

    def losses(self) -> Iterator[tuple[str, bool, Loss, set[int]]]:
        """The losses that are written, and those that the difference of prediction and target may belong to."""
        for place in losses_of(self.reader, self.claims):
            name = self.reader.tape.notes[place].name or "the loss"
            needed = self.reader.tape.above(place) | {place}
            yield f"the loss that is written ({name})", True, lambda found, place=place: add_up(found[place]), needed
        for pairs in differences_of(self.reader, self.claims)[:MOST_DIFFERENCES]:
            unique = list(dict.fromkeys(pairs))
            needed = {x for pair in unique for end in pair for x in (*self.reader.tape.above(end), end)}
            for what, of in INFERRED.items():

                def loss(found: Mapping[int, Any], pairs: Any = unique, of: Any = of) -> Any:
                    return sum(of(found[p], found[t]) for p, t in pairs)

                yield what, False, loss, needed

    def reading(self, what: str, written: bool, loss: Loss, needed: set[int]) -> Reading:
        """How the claims stand to one loss."""
        of_these = [claim for claim in self.claims if claim.of in needed]
        replay = Replay(self.reader, of_these, loss, needed, self.clock)
        reached = replay.walks[0].right
        of_these = [claim for claim in of_these if claim.of in replay.step and replay.step[claim.of] in reached]
        ratios: dict[Claim, float | None] = {}
        decays: set[Claim] = set()
        for one in of_these:
            claim = self.before_an_optimizer(one, replay)
            answers = [replay.run(claim.place, walk) for walk in replay.walks]
            ratio = replay.ratio(answers, claim)
            if ratio is None and written and replay.regularised(claim):
                self.regularised.add(claim.of)
            if ratio is None and claim.of not in self.regularised:
                ratio = without_decay(answers, replay, replay.step[claim.of])
                if ratio is not None:
                    decays.add(claim)
            ratios[claim] = None if ratio is None else ratio / claim.factor
        left = tuple([claim for claim in self.claims if claim not in of_these])
        return Reading(
            what, written, needed, replay, ratios, shared(list(ratios.values()), written), frozenset(decays), left
        )

    def before_an_optimizer(self, claim: Claim, replay: Replay) -> Claim:
        """The gradient that a step is made of, where the step is no multiple of it, as Adam's."""
        if claim.called is None:
            return claim
        gradients = [c.called for c in self.claims if c.called is not None]
        beside = self.reader.tape.above(claim.place, gradients) - set(gradients)
        steps, given = ([replay.run(p, walk) for walk in replay.walks] for p in (claim.place, claim.called))
        if not beside.isdisjoint(replay.step) or ratio_everywhere(steps, given) is not None:
            return claim
        along = np.sign(sum(float(np.sum(x * g)) for x, g in zip(steps, given, strict=True)))
        return replace(claim, place=claim.called, factor=float((along or 1.0) * np.sign(claim.factor)))

    def checked(self, reading: Reading, readings: Sequence[Reading]) -> list[Checked]:
        """Every claim by one reading; what only might be wrong is not called so."""
        if reading.decays and all(claim in reading.right for claim in reading.decays):
            names = ", ".join(claim.name for claim in reading.decays)
            self.remarks.append(f"a multiple of the parameter is added to the gradient of {names}: weight decay")
        if not reading.written and any(other.written for other in readings) and reading.right:
            self.remarks.append(f"the gradients are those of {reading.what}, and the loss that is written is another")
        wrong = [claim for claim in reading.ratios if claim not in reading.right]
        if not wrong:
            return self.all_alike(reading)
        verdicts = {claim: Checked(claim.line, claim.name, "right") for claim in reading.right}
        flat = reading.replay.on_the_way({claim.of for claim in reading.ratios}) & FLAT
        if flat:
            self.remarks.append(
                f"the loss goes through {', '.join(sorted(flat))}, whose derivative is 0: none is checked"
            )
        if not reading.replay.as_read:
            self.remarks.append("the program branches on its numbers: what may be wrong in another branch is not told")
        # What is taken for the loss may be a part of it, and then knows nothing of the gradients it leaves out.
        sure = (reading.written or (bool(reading.right) and not reading.left)) and not flat and reading.replay.as_read
        base = reading.base if reading.base is not None else 1.0
        seen: dict[Claim, Mistake | None] = dict.fromkeys(wrong)
        found: dict[Claim, tuple[Mistake, ...]] = {}
        try:
            for claim in wrong:
                seen[claim] = self.new_weights(reading, claim, base) or self.overwritten(reading, claim, base)
            rest = [claim for claim in wrong if seen[claim] is None]
            found = self.graded(reading, rest, base) if rest and sure else {}
        except Late:
            self.remarks.append(self.too_late)
        for claim in wrong:
            one = seen[claim]
            mistakes = found.get(claim, ()) if one is None else (one,)
            named = tuple(m for m in mistakes if m.name != "unclassified")
            # One that is not what several others are is wrong, whatever its mistake is called.
            alone = len(wrong) == 1 and len(reading.right) > 1
            certain = bool(named) or (bool(mistakes) and ((reading.written and bool(reading.right)) or alone))
            verdict = "wrong" if sure and certain else "unclear"
            verdicts[claim] = Checked(
                claim.line, claim.name, verdict, (named or mistakes) if verdict == "wrong" else ()
            )
        return [verdicts[claim] for claim in reading.ratios]

    def all_alike(self, reading: Reading) -> list[Checked]:
        """Claims that are all the gradient up to one constant: right, unless they lead uphill."""
        base = reading.base or 1.0
        claims = list(reading.ratios)
        uphill = base < 0 and all(claim.update is not None for claim in claims)
        if base < 0 and not uphill:
            self.remarks.append("the gradients have the other sign: they are to be added")
        elif reading.written and not same(abs(base), 1.0) and all(claim.update is None for claim in claims):
            self.remarks.append(f"the gradients are {abs(base):g} times those of the loss as it is written")
        if not uphill:
            return [Checked(claim.line, claim.name, "right") for claim in claims]
        says = "the parameters move uphill: the error, or the update, has the other sign"
        checked: list[Checked] = []
        for claim in claims:
            place = f"{claim.line}, the update of {claim.name}"
            both = [replace(told("wrong-update", place, says), name=name) for name in UPHILL]
            checked.append(Checked(claim.line, claim.name, "wrong", tuple(both)))
        return checked

    def new_weights(self, reading: Reading, claim: Claim, base: float) -> Mistake | None:
        """The mistake of a claim that is right as soon as parameters that have moved are put back."""
        replay = reading.replay
        above = self.reader.tape.above(claim.place)
        moved = {c.update: c.of for c in self.claims if c.update is not None and c.update in above}
        if not moved or not set(moved.values()) <= set(replay.step):
            return None
        answers = [replay.run(claim.place, walk, moved) for walk in replay.walks]
        ratio = replay.ratio(answers, claim)
        if ratio is None or (reading.right and not same(ratio / claim.factor, base)):
            return None
        names = ", ".join(replay.parameters[place] for place in moved.values())
        says = f"{names} has moved already when the gradient of {claim.name} is computed"
        return told("new-weights", f"{claim.line}, the gradient of {claim.name}", says)

    def overwritten(self, reading: Reading, claim: Claim, base: float) -> Mistake | None:
        """The mistake of a claim that is the last of several shares, which together are the gradient."""
        replay = reading.replay
        last = [event for event in self.reader.assigned if event.place == claim.place]
        shares = {e.place for e in self.reader.assigned for one in last[:1] if (e.name, e.line) == (one.name, one.line)}
        alike = {np.shape(self.reader.tape.notes[place].value) for place in shares}
        if len(shares) < 2 or len(alike) > 1 or any(shares & self.reader.tape.above(place) for place in shares):
            return None
        answers = [sum(replay.run_all(sorted(shares), walk)[place] for place in shares) for walk in replay.walks]
        ratio = replay.ratio(answers, claim)
        if ratio is None or not same(ratio / claim.factor, base):
            return None
        says = f"each round sets {last[0].name} anew, and the last alone is left"
        return told("overwritten", f"{last[0].line}, the gradient of {claim.name}", says)

    def graded(self, reading: Reading, wrong: Sequence[Claim], base: float) -> dict[Claim, tuple[Mistake, ...]]:
        replay = reading.replay
        scales = {claim: base * claim.factor for claim in wrong}
        working = replay.working(scales)
        marks: dict[str, Fingerprint] = {}
        for claim in wrong:
            answers = [replay.run(claim.place, walk) / scales[claim] for walk in replay.walks]
            marks[claim.name] = Fingerprint(replay.problem, replay.walks, replay.step[claim.of], answers)
        try:
            marked = grade_several(marks, lambda: working)
        except Late:
            self.remarks.append(
                f"after {self.clock.seconds:g} seconds the mistake's name was not looked for any longer"
            )
            self.clock.give(PLACING)
            return {claim: (self.placed(unnamed(claim), claim, replay, working),) for claim in wrong}
        if reading.base is None and all(m.name == "unclassified" for m in marked.mistakes):
            # Which rate there is may be unknown, so that a mistake shows only up to a constant.
            return {claim: up_to_a_rate(marks[claim.name], claim) for claim in wrong}
        found: dict[Claim, tuple[Mistake, ...]] = {}
        for claim in wrong:
            # Lines that are written out one after the other have no order that could be wrong.
            named = [m for m in marked.mistakes if m.name != "wrong-order"] or [unnamed(claim)]
            if reading.base is None:  # and where the rate is not known, a factor beside a mistake may be the rate's
                named = [m for m in named if m.name not in ("factor", "wrong-average")] or named
            about = [m for m in named if len(wrong) == 1 or claim.name in m.place] or named
            found[claim] = tuple(self.placed(m, claim, replay, working) for m in about)
        return found

    def placed(self, mistake: Mistake, claim: Claim, replay: Replay, working: Working) -> Mistake:
        """A mistake with the line of the program; what moves by another's gradient is a wrong update."""
        if mistake.name == "other-parameter" and claim.update is not None:
            says = f"{claim.name} moves by another gradient ({mistake.place})"
            return told("wrong-update", f"{claim.line}, the update of {claim.name}", says, mistake.shows)
        try:
            first = self.first_wrong(mistake.name, claim, replay, working)
        except Late:
            first = None
        line = first.line if first else claim.line
        made = self.reader.lines.get(first.place, line) if first else line
        where = str(line) if made == line else f"{line} (made in {made})"
        return replace(mistake, place=f"{where}; {mistake.place}")

    def first_wrong(self, name: str, claim: Claim, replay: Replay, working: Working) -> Assigned | None:
        """Where a name first gets what is neither a value nor a gradient, and nothing that is comes of it any more.

        Sums that are not complete are neither; of what is added to the gradient itself the last line counts.
        """
        editor = Editor(replay.problem, replay.walks, working, [claim.name])
        events = {event.place: event for event in reversed(self.reader.assigned) if event.place <= claim.place}
        of_part = {i: events[place] for i, place in enumerate(replay.places) if place in events}
        last = events.get(claim.place)

        def counts(i: int) -> bool:
            """Whether a part was assigned whole; a mask is told by what it is multiplied with."""
            event = of_part.get(i)
            is_mask = event is None or np.asarray(self.reader.tape.notes[event.place].value).dtype.kind == "b"
            return event is not None and not is_mask and self.reader.moved_by(event) is None

        found = editor.first_wrong(counts)
        first = None if found is None else of_part[found]
        if first is None and name not in UPHILL:
            return last  # it is off by a factor alone, and the step is not what may lead the wrong way
        whole = first is not None and last is not None and (first.name == last.name or first.place in self.terms(last))
        return last if whole else first

    def terms(self, event: Assigned) -> set[int]:
        """The places of what is added up in a value."""
        notes = self.reader.tape.notes
        sums = ("add", "sub")
        return set(finished_first([event.place], lambda x: notes[x].inputs if notes[x].operation in sums else ()))


def unnamed(claim: Claim) -> Mistake:
    """A gradient that is wrong, and whose mistake was not found in time."""
    return Mistake("unclassified", f"the gradient of {claim.name}", "this is no multiple of the gradient", "")


def up_to_a_rate(mark: Fingerprint, claim: Claim) -> tuple[Mistake, ...]:
    """The first mistake that gives a positive multiple of what a parameter moved by."""
    changes = [change for change, c in mark.scaled() if c > 0]
    return tuple([replace(m, place=f"{claim.line}; {m.place}") for m in (mistake_of(c, mark) for c in changes[:1])])


FLAT = {"sign", "round", "floor", "ceil", "trunc", "rint", "heaviside"}
"""Steps past which people hand gradients on as if they were not there."""

MOST_DIFFERENCES = 4
"""Differences of a prediction and a target that are tried."""

UPHILL = ("sign", "wrong-update")


INFERRED: dict[str, Callable[[Any, Any], Any]] = {
    "half the squared error": lambda output, target: 0.5 * add_up((output - target) ** 2),
    "the binary cross-entropy": lambda output, target: -add_up(target * log(output) + (1 - target) * log(1 - output)),
    "the cross-entropy": lambda output, target: -add_up(target * log(output)),
}
"""Losses that a difference of prediction and target may belong to."""


def same(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-6 * abs(b)


def shared(ratios: Sequence[float | None], written: bool) -> float | None:
    """The constant that more claims have than any other; of a loss that is written 1 if any has that."""
    known = [ratio for ratio in ratios if ratio is not None]
    if not known:
        return None
    counts = {ratio: sum(same(other, ratio) for other in known) for ratio in known}
    one = [ratio for ratio in known if same(ratio, 1.0)]
    if one and written:
        return one[0]
    # Of a constant and its negative, the one that leads downhill is meant.
    best = max(counts, key=lambda ratio: (counts[ratio], ratio))
    rivals = [r for r in known if counts[r] == counts[best] and not same(r, best) and not same(-r, best)]
    return None if rivals else best


def without_decay(answers: Sequence[Any], replay: Replay, wrt: Step) -> float | None:
    """The constant of a gradient that has a multiple of the parameter itself beside it; None where it has not."""
    if any(np.shape(answer) != wrt.shape for answer in answers):
        return None
    a = np.concatenate([np.ravel(x) for x in answers])
    sides = [(np.ravel(walk.right[wrt]), np.ravel(walk.numbers[wrt])) for walk in replay.walks]
    both = np.concatenate([np.stack(pair, axis=1) for pair in sides])
    solution, *_ = np.linalg.lstsq(both, a, rcond=None)
    # A parameter that would grow by itself is no decay.
    if not np.allclose(both @ solution, a, rtol=1e-8, atol=1e-10) or len(a) < 4 or solution[0] * solution[1] < 1e-18:
        return None
    return float(solution[0])
