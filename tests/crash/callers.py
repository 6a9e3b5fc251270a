"""Online callers that never give up: a process of many of them on one Batcher, each with a script of requests.

Whatever the database or this process meets, a caller without an answer repeats its key, also when it was killed and
started again; every answer is written down the moment it is there. What the requests of the scripts come to is known
beforehand: all succeed on rich accounts in whatever order they come, but for those that ask for more than anybody has.
Each life of the process records a history beside, enquiries too (`kanjo check --history`).
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import msgspec

from kanjo import check, db
from kanjo.ledger import (
    Answer,
    Asked,
    Batcher,
    CaptureHold,
    Enquiry,
    Outcome,
    OutcomeUnknown,
    Overloaded,
    PlaceHold,
    PostgresStore,
    Reason,
    ReleaseHold,
    Reverse,
    StoreFailed,
    deposit,
    transfer,
    withdrawal,
)

CLIENT = "crash"
BATCHER_THREADS = 2
PATIENCE_S = 120.0
"""A caller that gets no answer for so long says so: nothing here takes the database away for longer."""
REPEAT_S = 0.02
ASK_AGAIN_CHANCE = 0.05
ENQUIRY_CHANCE = 0.1
TOO_MUCH_YEN = 10**15
"""Nobody has it."""
_KEYS = UUID("63726173-6800-4000-8000-000000000000")


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: their scripts follow from it. `seed` decides only what is asked again or enquired, and when.

    `histories` is a folder.
    """

    journal: str
    histories: str
    accounts: list[int]
    callers: int
    requests: int
    think_s: float
    seed: int


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller was told of the request at `place` of its script; entries are (account, sequence, amount, balance).

    `fault` tells of an answer that must not be.
    """

    caller: int
    place: int
    reason: str = ""
    entries: list[tuple[int, int, int, int]] = []
    replayed: bool = False
    repeats: int = 0
    fault: str = ""


def key_of(caller: int, place: int) -> UUID:
    """The same in every life of the process."""
    return uuid5(_KEYS, f"{caller}/{place}")


def script(caller: int, accounts: Sequence[int], requests: int) -> list[Any]:
    """Deposits, withdrawals, transfers, holds with their captures and releases, reversals, and withdrawals of more than
    anybody has; a third of all on the first account, so that callers meet.
    """
    draw = random.Random(caller)
    written: list[Any] = []
    while len(written) < requests:
        place = len(written)
        key = key_of(caller, place)
        account = accounts[0] if draw.random() < 0.33 else draw.choice(accounts)
        amount_yen = draw.randrange(1, 500)
        match draw.randrange(9):
            case 0 | 1:
                written.append(deposit(CLIENT, key, account, amount_yen))
            case 2 | 3:
                written.append(withdrawal(CLIENT, key, account, amount_yen))
            case 4 | 5:
                other = draw.choice([number for number in accounts if number != account])
                written.append(transfer(CLIENT, key, account, other, amount_yen))
            case 6:
                written.append(PlaceHold(client=CLIENT, key=key, account=account, amount_yen=amount_yen))
                after = key_of(caller, place + 1)
                if draw.random() < 0.5:
                    written.append(CaptureHold(client=CLIENT, key=after, hold=key))
                else:
                    written.append(ReleaseHold(client=CLIENT, key=after, hold=key))
            case 7:
                written.append(withdrawal(CLIENT, key, account, TOO_MUCH_YEN))
            case _:
                written.append(deposit(CLIENT, key, account, amount_yen))
                written.append(Reverse(client=CLIENT, key=key_of(caller, place + 1), original=key))
    return written[:requests]


def read_journal(path: Path) -> Iterator[Note]:
    """All notes; a line that a killed process left unfinished tells nothing."""
    if not path.exists():
        return
    for line in path.read_bytes().split(b"\n"):
        try:
            yield msgspec.json.decode(line, type=Note)
        except msgspec.DecodeError:
            continue


class Journal:
    """Written by many threads, a line in one write; it survives this process because the kernel has it."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(self._file, b"\n")  # behind a line that a killed process left unfinished

    def write(self, note: Note) -> None:
        os.write(self._file, msgspec.json.encode(note) + b"\n")


def note_of(caller: int, place: int, answer: Any, repeats: int = 0) -> Note:
    """An answer as it is kept; one that is not what the script comes to is a fault here."""
    if not isinstance(answer, Outcome) or answer.reason != _reason_of(answer):
        return Note(caller=caller, place=place, fault=f"not what it must be: {answer}")
    entries = [(line.account, line.sequence, line.amount_yen, line.balance_yen) for line in answer.entries]
    return Note(
        caller=caller,
        place=place,
        reason=answer.reason.word,
        entries=entries,
        replayed=answer.replayed,
        repeats=repeats,
    )


def _reason_of(answer: Outcome) -> Reason:
    is_too_much = any(movement.amount_yen == TOO_MUCH_YEN for movement in answer.movements)
    return Reason.INSUFFICIENT_FUNDS if is_too_much else Reason.ACCEPTED


def ask(post: Callable[[Asked], Answer], asked: Any) -> tuple[Any, int]:
    """The answer, however often the key has to be repeated for it; and how often that was."""
    until_s = time.monotonic() + PATIENCE_S
    repeats = 0
    while True:
        try:
            return post(asked), repeats
        except (OutcomeUnknown, StoreFailed, Overloaded):
            if time.monotonic() > until_s:
                raise
            repeats += 1
            time.sleep(REPEAT_S)


def call(
    post: Callable[[Asked], Answer],
    crowd: Crowd,
    caller: int,
    told: dict[int, Note],
    journal: Journal,
    hurry: threading.Event,
) -> None:
    """One caller: the rest of its script; now and then it asks for an old answer again, which must be the same, or how
    an account stands.
    """
    draw = random.Random(f"{crowd.seed}/{caller}/{len(told)}")
    wanted = script(caller, crowd.accounts, crowd.requests)
    for place, asked in enumerate(wanted):
        if place in told:
            continue
        hurry.wait(draw.expovariate(1 / crowd.think_s))
        answer, repeats = ask(post, asked)
        told[place] = note_of(caller, place, answer, repeats)
        journal.write(told[place])
        if draw.random() < ASK_AGAIN_CHANCE:
            before = draw.choice(sorted(told))
            again = note_of(caller, before, ask(post, wanted[before])[0])
            if again.entries != told[before].entries or not again.replayed:
                journal.write(Note(caller=caller, place=before, fault=f"{told[before]} became {again}"))
        if draw.random() < ENQUIRY_CHANCE:
            ask(post, Enquiry(draw.choice(crowd.accounts)))


def main() -> None:
    """A crowd as JSON; ends when every script is through. When standard input closes nobody thinks any longer."""
    crowd = msgspec.json.decode(sys.argv[1], type=Crowd)
    told: dict[int, dict[int, Note]] = {caller: {} for caller in range(crowd.callers)}
    for note in read_journal(Path(crowd.journal)):
        told[note.caller][note.place] = note
    journal = Journal(Path(crowd.journal))
    hurry = threading.Event()

    def watch() -> None:
        while os.read(0, 1):
            pass
        hurry.set()

    threading.Thread(target=watch, daemon=True).start()
    with (
        db.database(migrate=False) as database,
        Batcher(lambda: PostgresStore(database.connect(autocommit=True)), threads=BATCHER_THREADS) as batcher,
        check.Recorder(
            batcher.post, Path(crowd.histories) / f"{time.monotonic_ns()}.jsonl", complete=[CLIENT]
        ) as recorder,
    ):
        callers = [
            threading.Thread(target=call, args=(recorder.post, crowd, caller, notes, journal, hurry))
            for caller, notes in told.items()
        ]
        for thread in callers:
            thread.start()
        for thread in callers:
            thread.join()


if __name__ == "__main__":
    main()
