"""Recorders: what is written, when it is written, and how it is read back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from told import Telling, broken

import strategies
from banks import CLIENT, MONDAY, key, memory_bank, number
from kanjo import ledger
from kanjo.check import How, Recorder, read_histories
from kanjo.check.lines import AskedLine, asked_line, instruction_of
from kanjo.errors import Refused, WrongUsage
from kanjo.ledger import Answer, Asked, Enquiry, NotDecided, OutcomeUnknown, Overloaded, Snapshot, StoreFailed

ANN = number(1)
SHOWN = Snapshot(account=ANN, business_date=MONDAY, balance_yen=5, sequence=1)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@given(strategies.instructions)
def test_an_instruction_is_kept_whole(asked: Asked) -> None:
    """Written and read back it has the same content, and so the same fingerprint."""
    line = asked_line(asked, number=1, at_us=2, caller="ann")

    read = msgspec.json.decode(msgspec.json.encode(line), type=AskedLine)

    assert instruction_of(read) == asked
    if not isinstance(asked, Enquiry):
        assert instruction_of(read).fingerprint() == asked.fingerprint()  # type: ignore[union-attr]


def test_a_request_is_in_the_file_before_it_is_asked_and_its_answer_after(tmp_path: Path) -> None:
    """One line when asked, one when answered; nothing of the answer before the caller has it."""
    path = tmp_path / "history.jsonl"
    seen: list[list[str]] = []

    def post(asked: Asked) -> Answer:
        seen.append([line["line"] for line in lines_of(path)])
        return SHOWN

    with Recorder(post, path, complete=[CLIENT]) as recorder:
        assert recorder.post(Enquiry(ANN), caller="ann") is SHOWN
        recorder.post(Enquiry(ANN), caller="bob")

    assert seen == [["history", "asked"], ["history", "asked", "answered", "asked"]]
    head, asked, answered, *_ = lines_of(path)
    assert head["complete"] == [CLIENT] and head["version"] == 1
    assert asked == {
        "line": "asked",
        "number": 1,
        "at_us": asked["at_us"],
        "caller": "ann",
        "kind": "enquiry",
        "account": ANN,
    }
    assert answered == {
        "line": "answered",
        "number": 1,
        "at_us": answered["at_us"],
        "outcome": "accepted",
        "business_date": "2026-08-24",
        "touched": [[ANN, 1, 5]],
    }
    assert asked["at_us"] <= answered["at_us"]


@pytest.mark.parametrize(
    ("error", "how"),
    [
        (OutcomeUnknown("lost"), How.UNKNOWN),
        (TimeoutError(), How.UNKNOWN),
        (StoreFailed("full"), How.FAILED),
        (Overloaded("full"), How.OVERLOADED),
        (KeyboardInterrupt(), How.UNKNOWN),
    ],
)
def test_a_call_without_an_answer_says_how_it_ended(tmp_path: Path, error: BaseException, how: How) -> None:
    """The caller gets the error; the file says what it means for the outcome."""

    def post(asked: Asked) -> Answer:
        raise error

    with Recorder(post, tmp_path / "h") as recorder, pytest.raises(type(error)):
        recorder.post(Enquiry(ANN))

    [call] = read_histories([tmp_path / "h"]).calls
    assert (call.told, call.how) == (None, how)


def test_o_9_an_instruction_that_was_not_decided_says_so(tmp_path: Path) -> None:
    """NotDecided is no outcome."""
    with Recorder(lambda _: NotDecided(message="x"), tmp_path / "h") as recorder:
        recorder.post(Enquiry(ANN))

    assert read_histories([tmp_path / "h"]).calls[0].how == How.NOT_DECIDED


def test_many_threads_write_whole_lines(tmp_path: Path) -> None:
    """No line is torn or mixed with another, and each call is joined with its own answer."""

    def post(asked: Asked) -> Answer:
        assert isinstance(asked, Enquiry)
        return msgspec.structs.replace(SHOWN, account=asked.account)

    with Recorder(post, tmp_path / "h") as recorder, ThreadPoolExecutor(8) as callers:
        list(callers.map(lambda index: recorder.post(Enquiry(number(index))), range(2_000)))

    history = read_histories([tmp_path / "h"])
    assert len(history.calls) == 2_000
    for call in history.calls:
        assert call.told is not None and isinstance(call.asked, Enquiry)
        assert call.told.touched[0][0] == call.asked.account
        assert call.asked_us <= call.ended_us


def test_an_answer_is_not_lost_by_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """The caller gets his answer; the next call is not made."""
    asked: list[Asked] = []

    def post(one: Asked) -> Answer:
        asked.append(one)
        os.close(recorder._file)  # the worst that can happen to a file
        return SHOWN

    recorder = Recorder(post, tmp_path / "h")
    assert recorder.post(Enquiry(ANN)) is SHOWN
    with pytest.raises(OSError, match="descriptor"):
        recorder.post(Enquiry(ANN))
    with pytest.raises(OSError, match="descriptor"):
        recorder.close()

    assert len(asked) == 1


def test_a_history_is_never_written_over(tmp_path: Path) -> None:
    """A file that exists belongs to somebody."""
    (tmp_path / "h").write_text("mine")

    with pytest.raises(FileExistsError):
        Recorder(lambda _: SHOWN, tmp_path / "h")


KILLED = """
import os, signal, sys
from pathlib import Path
from kanjo.check import Recorder
from kanjo.ledger import Enquiry, Snapshot
calls = 0
def post(asked):
    global calls
    calls += 1
    if calls == 500:
        os.kill(os.getpid(), signal.SIGKILL)
    return Snapshot(account=asked.account, business_date=None)
recorder = Recorder(post, Path(sys.argv[1]))
while True:
    recorder.post(Enquiry(10_000_000 + calls))
"""


def test_a_killed_process_leaves_all_that_it_asked(tmp_path: Path) -> None:
    """kill -9 in the midst of a call: the call is there without an end, all before it with their answers."""
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "h")], timeout=60, check=False)

    assert killed.returncode == -signal.SIGKILL
    calls = read_histories([tmp_path / "h"]).calls
    assert len(calls) == 500
    assert [call.told is None for call in calls] == [False] * 499 + [True]


def test_histories_of_several_processes_are_one(tmp_path: Path) -> None:
    """On one machine they bear the same clock; what each claims holds for all together."""
    for name in ("a", "b"):
        with Recorder(lambda _: SHOWN, tmp_path / name, complete=[name]) as recorder:
            recorder.post(Enquiry(ANN))

    history = read_histories([tmp_path / "a", tmp_path / "b"])

    assert {call.clock for call in history.calls} == (
        {0} if Path("/proc/sys/kernel/random/boot_id").exists() else {0, 1}
    )
    assert [call.file for call in history.calls] == [0, 1]
    assert history.complete == {"a", "b"}


def test_a_torn_last_line_is_what_a_kill_leaves(tmp_path: Path) -> None:
    """Cut anywhere behind its first line, a history can be read, and holds what was whole."""
    with Recorder(lambda _: SHOWN, tmp_path / "h") as recorder:
        for _ in range(3):
            recorder.post(Enquiry(ANN))
    whole = (tmp_path / "h").read_bytes()
    for length in range(whole.index(b"\n") + 1, len(whole)):
        (tmp_path / "h").write_bytes(whole[:length])
        assert len(read_histories([tmp_path / "h"]).calls) <= 3
    (tmp_path / "h").write_bytes(whole.rstrip(b"\n"))
    assert all(call.told for call in read_histories([tmp_path / "h"]).calls)


HEAD = {"line": "history", "version": 1, "clock": "c"}
ASKED = {"line": "asked", "number": 1, "at_us": 5, "caller": "a", "kind": "enquiry", "account": ANN}
ENDED = {"line": "ended", "number": 1, "at_us": 6, "how": "unknown"}
ANSWERED = {"line": "answered", "number": 1, "at_us": 6, "outcome": "accepted"}


@pytest.mark.parametrize(
    ("lines", "line", "said"),
    [
        ([], 1, "empty"),
        ([ASKED], 1, "begins with its head line"),
        ([HEAD | {"version": 2}], 1, "version"),
        ([HEAD, HEAD], 2, "second head"),
        ([HEAD, {"line": "asked"}], 2, "missing required field"),
        ([HEAD, ASKED | {"more": 1}], 2, "unknown field"),
        ([HEAD, ASKED | {"at_us": -1}], 2, "at_us"),
        ([HEAD, ASKED | {"at_us": 10**30}], 2, "at_us"),
        ([HEAD, ASKED | {"kind": "prayer"}], 2, "no kind of instruction"),
        ([HEAD, ASKED | {"kind": "deposit"}], 2, "client is missing"),
        ([HEAD, ASKED | {"kind": "deposit", "client": "c", "key": str(key(1))}], 2, "movements are missing"),
        ([HEAD, ASKED | {"movements": [[1000, ANN, 0]]}], 2, "an amount is"),
        ([HEAD, ASKED | {"movements": [[1001, ANN, 1]]}], 2, "1001"),
        ([HEAD, ASKED | {"account": 7}], 2, "account"),
        ([HEAD, ASKED, ASKED], 3, "asked before"),
        ([HEAD, ENDED], 2, "never asked"),
        ([HEAD, ASKED, ENDED, ENDED], 4, "ended before"),
        ([HEAD, ASKED, ENDED, ASKED], 4, "asked before"),
        ([HEAD, ASKED, ENDED | {"at_us": 4}], 3, "before it was asked"),
        ([HEAD, ASKED, ENDED | {"how": "well"}], 3, "how"),
        ([HEAD, ASKED, ANSWERED | {"reason": "no-mandate"}], 3, "has no reason"),
        ([HEAD, ASKED, ANSWERED | {"outcome": "refused"}], 3, "has one"),
        ([HEAD, ASKED, ANSWERED | {"outcome": "refused", "reason": "mood"}], 3, "no reason of the ledger"),
        ([HEAD, ASKED, ANSWERED | {"touched": [[ANN, 1]]}], 3, "touched"),
        ([HEAD, ASKED, ANSWERED | {"business_date": "2026-02-30"}], 3, "business_date"),
    ],
)
def test_a_malformed_history_names_its_line(tmp_path: Path, lines: list[dict[str, Any]], line: int, said: str) -> None:
    """`bad-history`, the file, the line, and what is wrong there."""
    (tmp_path / "h").write_text("".join(json.dumps(one) + "\n" for one in lines))

    with pytest.raises(Refused) as caught:
        read_histories([tmp_path / "h"])

    assert caught.value.code == "bad-history"
    assert caught.value.details == {"file": str(tmp_path / "h"), "line": line}
    assert said in caught.value.message


@pytest.mark.parametrize("raw", [b"\xff\xfe\n", b"\x00" * 100 + b"\n", b"[]\n", b"nothing\n", b'{"line":"history"'])
def test_bytes_that_are_no_history_are_refused(tmp_path: Path, raw: bytes) -> None:
    """Whatever file is named by mistake."""
    (tmp_path / "h").write_bytes(raw)

    with pytest.raises(Refused, match="line 1"):
        read_histories([tmp_path / "h"])


def test_a_file_that_cannot_be_read_is_wrong_usage(tmp_path: Path) -> None:
    """And not a malformed history."""
    with pytest.raises(WrongUsage) as caught:
        read_histories([tmp_path / "nothing"])

    assert caught.value.code == "file-unreadable"


def test_what_was_recorded_of_concurrent_callers_is_accepted(tmp_path: Path) -> None:
    """Threads on the store in memory: the recorder's own times and lines are a history that holds."""
    bank = memory_bank()
    for index in range(1, 4):
        bank.account(number(index), 1_000)

    def post(asked: Asked) -> Answer:
        [answer] = ledger.post(bank.store, [asked])
        return answer

    def call(caller: int) -> None:
        for turn in range(40):
            one, other = number(1 + turn % 3), number(1 + (turn + 1 + caller % 2) % 3)
            recorder.post(ledger.transfer(CLIENT, key((caller, turn)), one, other, 1 + turn % 5))
            recorder.post(Enquiry(other))
            recorder.post(ledger.withdrawal(CLIENT, key(("shared", turn)), one, 7))

    with Recorder(post, tmp_path / "h", complete=[CLIENT]) as recorder:
        threads = [threading.Thread(target=call, args=(caller,)) for caller in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    telling = Telling(bank)
    history = read_histories([tmp_path / "h"])
    assert len(history.calls) == 4 * 40 * 3
    assert broken(history, telling.stored()) == {}
