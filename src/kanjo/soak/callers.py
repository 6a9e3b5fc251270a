"""The callers' process: many at one door who never give up, and write down what they asked and were told.

It lives through days, kills of the server and changes of the book; only a kill of its own or the end of its standard
input ends it. A key whose outcome is unknown is asked again until there is an answer, also by the next process.
"""

from __future__ import annotations

import multiprocessing
import queue
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import msgspec

from kanjo import check, db
from kanjo.ledger import (
    Answer,
    Asked,
    Batcher,
    CaptureHold,
    Enquiry,
    NotDecided,
    Outcome,
    OutcomeUnknown,
    Overloaded,
    PlaceHold,
    ReleaseHold,
    Reverse,
    Snapshot,
    StoreFailed,
    deposit,
    new_key,
    pulse,
    store_of,
    transfer,
    withdrawal,
)
from kanjo.soak.message import Book, Closed, Crowd, Seen

DOOR = "the soak's callers"
TELL_S = 0.5
REPEAT_S = 0.05
PATIENCE_S = 300.0
"""A caller without an answer for so long ends the process, and the run: no recovery here may take longer."""


class Open:
    """An open book: its recorder, and how many callers are in a call of it."""

    def __init__(self, book: Book, batcher: Batcher) -> None:
        self.book = book
        self.recorder = check.Recorder(batcher.post, Path(book.history), complete=[book.client])
        self._calls = threading.Condition()
        self._count = 0

    def enter(self) -> None:
        with self._calls:
            self._count += 1

    def leave(self) -> None:
        with self._calls:
            self._count -= 1
            self._calls.notify_all()

    def close(self) -> None:
        """Wait until every call of it has its answer."""
        with self._calls:
            self._calls.wait_for(lambda: self._count == 0)
        self.recorder.close()


class Door:
    """What all callers share: the book of the day, and what they saw and have not told yet."""

    def __init__(self, batcher: Batcher) -> None:
        self.over = threading.Event()
        self._batcher = batcher
        self._lock = threading.Lock()
        self._open: Open | None = None
        self._waits_us: list[int] = []
        self._refused = self._undecided = self._repeats = 0

    @contextmanager
    def day(self) -> Iterator[Open]:
        """The book of the day; it stays open while the block runs."""
        with self._lock:
            assert self._open is not None
            opened = self._open
            opened.enter()
        try:
            yield opened
        finally:
            opened.leave()

    def turn(self, book: Book) -> str | None:
        """From now on this book; returns the history before it, whose calls have all come to their end."""
        opened = Open(book, self._batcher)
        with self._lock:
            before, self._open = self._open, opened
        if before is None:
            return None
        before.close()
        return before.book.history

    def close(self) -> None:
        if self._open is not None:
            self._open.close()

    def ask(self, opened: Open, asked: Asked, caller: str | None = None) -> Answer | None:
        """The answer, however often the key must be asked for it; None when the process ends before there is one."""
        began_s = time.monotonic()
        repeats = 0
        while not self.over.is_set():
            try:
                answer = opened.recorder.post(asked, caller=caller)
            except (OutcomeUnknown, StoreFailed, Overloaded):
                if time.monotonic() - began_s > PATIENCE_S:
                    raise
                repeats += 1
                self.over.wait(REPEAT_S)
                continue
            self._note(answer, int((time.monotonic() - began_s) * 1e6), repeats)
            return answer
        return None

    def _note(self, answer: Answer, wait_us: int, repeats: int) -> None:
        with self._lock:
            self._waits_us.append(wait_us)
            self._repeats += repeats
            self._undecided += isinstance(answer, NotDecided)
            self._refused += isinstance(answer, Outcome | Snapshot) and bool(answer.reason)

    def take(self) -> Seen:
        """What was seen since the last time."""
        with self._lock:
            seen = Seen(
                waits_us=self._waits_us, refused=self._refused, undecided=self._undecided, repeats=self._repeats
            )
            self._waits_us, self._refused, self._undecided, self._repeats = [], 0, 0, 0
        return seen


class Habits:
    """What one caller wants next. What refers to an earlier request refers to one of the same day, hence client."""

    HOLDS_MAX = 20

    def __init__(self, accounts: Sequence[int], draw: random.Random) -> None:
        self._accounts = accounts
        self._draw = draw
        self._client = ""
        self._holds: list[UUID] = []
        self._reversible: UUID | None = None
        self._last: Asked | None = None

    def next(self, client: str) -> Asked:
        """Money out, in and across, enquiries, holds and their ends, reversals; one in 100 asks the same again."""
        if client != self._client:
            self._client, self._holds, self._reversible, self._last = client, [], None, None
        draw, chance = self._draw, self._draw.random()
        if self._last is None or chance >= 0.01:
            self._last = self._wish(draw.random(), new_key(datetime.now(UTC)))
        return self._last

    def _wish(self, chance: float, key: UUID) -> Asked:
        draw, client = self._draw, self._client
        account, other = draw.sample(self._accounts, 2)
        amount_yen = draw.randrange(1, 20) * 1000
        if chance < 0.1:
            return Enquiry(account)
        if chance < 0.25:
            return transfer(client, key, account, other, amount_yen)
        if chance < 0.33 and len(self._holds) < self.HOLDS_MAX:
            return PlaceHold(client=client, key=key, account=account, amount_yen=amount_yen)
        if chance < 0.42 and self._holds:
            hold = self._holds.pop(draw.randrange(len(self._holds)))
            ending = CaptureHold if draw.random() < 0.5 else ReleaseHold
            return ending(client=client, key=key, hold=hold)
        if chance < 0.45 and self._reversible is not None:
            original, self._reversible = self._reversible, None
            return Reverse(client=client, key=key, original=original)
        return (withdrawal if chance < 0.75 else deposit)(client, key, account, amount_yen)

    def hear(self, asked: Asked, answer: Answer) -> None:
        """Remember what can be ended or undone later."""
        if not (isinstance(answer, Outcome) and answer.accepted) or isinstance(asked, Enquiry):
            return
        if isinstance(asked, PlaceHold) and not answer.replayed:
            self._holds.append(asked.key)
        elif not isinstance(asked, CaptureHold | ReleaseHold | Reverse | PlaceHold):
            self._reversible = asked.key


def call(door: Door, crowd: Crowd, accounts: Sequence[int], caller: int) -> None:
    """One caller, until the process is told to end."""
    draw = random.Random(f"{crowd.seed}/{caller}/{time.monotonic_ns()}")  # noqa: S311 - customers, not keys
    habits = Habits(accounts, draw)
    think_s = crowd.callers / crowd.per_s
    while not door.over.wait(draw.expovariate(1 / think_s)):
        with door.day() as opened:
            asked = habits.next(opened.book.client)
            answer = door.ask(opened, asked)
            if answer is None:
                return
            habits.hear(asked, answer)


def unanswered(histories: Sequence[str]) -> list[tuple[str, Asked]]:
    """Who asked what without being answered, before the process was killed."""
    calls = check.read_histories([Path(history) for history in histories]).calls
    keyed = [(call, call.asked) for call in calls if not isinstance(call.asked, Enquiry)]
    answered = {asked.key for call, asked in keyed if call.told is not None}
    left = {asked.key: (call.caller, asked) for call, asked in keyed if asked.key not in answered}
    return list(left.values())


def unanswered_apart(histories: Sequence[str]) -> Sequence[tuple[str, Asked]]:
    """The same, read by a process of its own: a day's history would leave its mark on the memory of this one.

    To be called while there is one thread only.
    """
    if not histories:
        return ()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(unanswered, (histories,))


def main(arguments: Sequence[str]) -> int:
    """A crowd as JSON; books come as lines on standard input, whose end is the end."""
    crowd = msgspec.json.decode(arguments[0], type=Crowd)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it says when to stop
    lines = open(0, "rb", closefd=False)  # noqa: SIM115 - never closed: a thread will be reading
    line = lines.readline()
    if not line:
        return 0
    first = msgspec.json.decode(line, type=Book)
    left = unanswered_apart(first.earlier)
    books: queue.SimpleQueue[Book | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines, books), daemon=True).start()
    with (
        db.database(migrate=False) as database,
        Batcher(
            lambda: store_of(database),
            patience_s=0,  # it is the callers here who ask again, and count how often
            pulse=pulse.Pulse(DOOR, lambda: datetime.now(UTC)),
        ) as batcher,
    ):
        door = Door(batcher)
        door.turn(first)
        try:
            with door.day() as opened:
                for caller, asked in left:
                    door.ask(opened, asked, caller)
            return _serve(door, crowd, books)
        finally:
            door.over.set()
            door.close()


def _listen(lines: BinaryIO, books: queue.SimpleQueue[Book | None]) -> None:
    with suppress(OSError, ValueError):
        for line in lines:
            books.put(msgspec.json.decode(line, type=Book))
    books.put(None)


def _serve(door: Door, crowd: Crowd, books: queue.SimpleQueue[Book | None]) -> int:
    lost = threading.Event()
    accounts = crowd.town.numbers()[: crowd.accounts].tolist()

    def serve(caller: int) -> None:
        try:
            call(door, crowd, accounts, caller)
        except BaseException:
            lost.set()
            raise

    for caller in range(crowd.callers):
        threading.Thread(target=serve, name=f"caller-{caller}", args=(caller,), daemon=True).start()
    while not lost.is_set():
        try:
            book = books.get(timeout=TELL_S)
        except queue.Empty:
            _tell(door.take())
            continue
        if book is None:
            return 0
        history = door.turn(book)
        _tell(door.take())
        if history is not None:
            _tell(Closed(history))
    return 1


def _tell(line: Seen | Closed) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()
