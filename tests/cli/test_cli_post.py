"""`kanjo account`, `post` and `hold`: the objects they print, keys, refusals and exit statuses."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from command import ZENGIN, Kanjo

A_FREE_KEY = "6f9619ff-8b86-4011-b42d-00c04fc964fe"
KEY = "6f9619ff-8b86-4011-b42d-00c04fc964ff"
A, B = "001-1-1000016", "001-1-1000124"


def test_account_show(bank: Kanjo) -> None:
    """The names of design 9, in yen and ISO dates."""
    bank("hold", "place", A, 456)

    shown = bank.json("account", "show", A)

    assert shown == {
        "account": A,
        "product": "ordinary",
        "status": "open",
        "balance_yen": 123_456,
        "held_yen": 456,
        "floor_yen": 0,
        "available_yen": 123_000,
        "sequence": 1,
        "business_date": "2026-08-24",
    }
    assert "123,456" in bank("account", "show", A).out


def test_an_unknown_account_is_an_error(bank: Kanjo) -> None:
    """Exit 1, `account-unknown`, with the account."""
    assert bank.refused("account-unknown", "account", "show", "999-1-9999999")["account"] == "999-1-9999999"
    bank.refused("account-unknown", "account", "statement", "999-1-9999999")
    assert bank.json("post", "deposit", "999-1-9999999", 5, status=1)["reason"] == "account-unknown"


def test_a_deposit_and_its_key_again(bank: Kanjo) -> None:
    """C-2: the same key is answered with the first outcome; with other content it is refused."""
    first = bank.json("post", "deposit", A, "5,000", "--key", KEY)
    again = bank.json("post", "deposit", A, 5000, "--key", KEY)
    other = bank.json("post", "deposit", A, 5001, "--key", KEY, status=1)

    assert first == {
        "key": KEY,
        "outcome": "accepted",
        "reason": None,
        "replayed": False,
        "business_date": "2026-08-24",
        "entries": [{"account": A, "sequence": 2, "amount_yen": 5_000, "balance_yen": 128_456}],
    }
    assert again == first | {"replayed": True}
    assert (other["outcome"], other["reason"], other["entries"]) == ("refused", "key-reused", [])
    assert "replayed" in bank("post", "deposit", A, 5000, "--key", KEY).out


def test_a_refusal_is_an_answer_with_status_1(bank: Kanjo) -> None:
    """A fresh key is printed when none is given; a refusal is kept under it too."""
    refused = bank.json("post", "withdraw", A, 123_457, status=1)

    assert (refused["outcome"], refused["reason"], refused["entries"]) == ("refused", "insufficient-funds", [])
    UUID(refused["key"])
    assert bank.json("post", "withdraw", A, 123_457, "--key", refused["key"], status=1) == refused | {"replayed": True}
    assert "insufficient-funds" in bank("post", "withdraw", A, 123_457, status=1).out


def test_a_transfer_and_its_reversal(bank: Kanjo) -> None:
    """C-3: undone once, by the key; both entries are printed."""
    before = {account: bank.json("account", "show", account)["balance_yen"] for account in (A, B)}
    moved = bank.json("post", "transfer", A, B, 12_000)
    assert [(entry["account"], entry["amount_yen"]) for entry in moved["entries"]] == [(A, -12_000), (B, 12_000)]

    undone = bank.json("post", "reverse", moved["key"])

    assert (undone["outcome"], len(undone["entries"])) == ("accepted", 2)
    assert before == {account: bank.json("account", "show", account)["balance_yen"] for account in (A, B)}
    assert bank.json("post", "reverse", moved["key"], status=1)["reason"] == "already-reversed"
    assert bank.json("post", "reverse", KEY, status=1)["reason"] == "original-unknown"
    bank.refused("wrong-usage", "post", "transfer", A, A, 5, status=2)


def test_a_hold_is_placed_captured_and_released(bank: Kanjo) -> None:
    """C-4: the key it was placed under names it."""
    placed = bank.json("hold", "place", A, 8_000, "--expires", "2026-09-30", "--key", KEY)
    assert (placed["key"], placed["outcome"], placed["entries"]) == (KEY, "accepted", [])

    captured = bank.json("hold", "capture", KEY, 5_500)

    assert captured["entries"] == [{"account": A, "sequence": 2, "amount_yen": -5_500, "balance_yen": 117_956}]
    assert bank.json("hold", "release", KEY, status=1)["reason"] == "hold-not-open"
    another = bank.json("hold", "place", A, 100)["key"]
    assert bank.json("hold", "release", another)["outcome"] == "accepted"
    assert bank.json("account", "show", A)["held_yen"] == 0
    assert bank.json("hold", "place", A, 10**9, status=1)["reason"] == "insufficient-funds"


def test_c_5_a_hold_is_shown(bank: Kanjo) -> None:
    """By its key, with what was taken of it; an unknown key is a refusal."""
    placed = bank.json("hold", "place", A, 8_000, "--expires", "2026-09-30", "--key", KEY)
    bank("hold", "capture", KEY, 5_500)

    found = bank.json("hold", "show", KEY)

    assert found == {
        **{"key": KEY, "account": A, "amount_yen": 8_000, "captured_yen": 5_500, "status": "captured"},
        **{"placed_on": placed["business_date"], "expires_on": "2026-09-30", "ended_on": "2026-08-24"},
        **{"business_date": "2026-08-24", "sequence": 2, "balance_yen": 117_956},
    }
    assert "captured" in bank("hold", "show", KEY).out
    assert bank.refused("hold-unknown", "hold", "show", A_FREE_KEY)["key"] == A_FREE_KEY


def test_an_account_is_opened_changed_and_closed(bank: Kanjo) -> None:
    """The product is the one in the number; a floor may be an overdraft; closing needs a balance of zero."""
    new = "001-2-2000001"
    assert bank.json("account", "open", new, "--name", "ｶﾝｼﾞﾖｳ ﾀﾛｳ")["outcome"] == "accepted"
    assert bank.json("account", "show", new)["product"] == "current"
    assert bank.json("account", "open", new, status=1)["reason"] == "account-exists"

    bank("account", "set-status", new, "debit-stopped", "--floor", "-50,000")

    shown = bank.json("account", "show", new)
    assert (shown["status"], shown["floor_yen"]) == ("debit-stopped", -50_000)
    assert bank.json("account", "close", new)["outcome"] == "accepted"
    assert bank.json("account", "show", new)["status"] == "closed"
    assert bank.json("account", "close", A, status=1)["reason"] == "account-not-empty"


def test_nothing_is_posted_before_a_date_is_open(kanjo: Kanjo) -> None:
    """A new ledger has no date: show says so, postings are refused, the first `open` sets it."""
    assert kanjo.json("day", "show") == {"business_date": None}
    assert kanjo.json("post", "deposit", A, 5, status=1)["reason"] == "day-not-open"
    kanjo.refused("day-not-open", "account", "show", A)
    kanjo.refused("day-not-open", "cut", "load", ZENGIN / "payroll.txt")
    assert kanjo.json("cut", "status") == {"runs": []}
    assert "no runs" in kanjo("cut", "status").out
    kanjo("day", "open", "2026-08-24")
    kanjo.refused("date-already-open", "day", "open", "2026-08-24")
    kanjo.refused("beyond-calendar", "day", "open", "2999-01-04")


def test_bad_accounts_are_all_listed(kanjo: Kanjo, tmp_path: Path) -> None:
    """A bad file: exit 1 with every error and its place, for programs and for people; nothing is taken."""
    file = tmp_path / "bad.csv"
    file.write_text("account,product,balance,floor,status,name_kana\nxyz,ordinary,1.5,0,open,\n", "utf-8")

    error = kanjo.refused("bad-file", "account", "import", file)

    assert [(fault["line"], fault["column"]) for fault in error["errors"]] == [(2, "account"), (2, "balance")]
    shown = kanjo("account", "import", file, status=1).err
    assert "balance" in shown and "bad-file" in shown
    assert kanjo.json("account", "export", tmp_path / "none.csv")["accounts"] == 0


def test_accounts_are_imported_once(bank: Kanjo) -> None:
    """C-6: a known account refuses the whole file."""
    assert bank.refused("account-exists", "account", "import", ZENGIN / "accounts.csv")["count"] == 202


def test_files_that_cannot_be_used(bank: Kanjo, tmp_path: Path) -> None:
    """A file that is not there is wrong usage; one that cannot be written leaves nothing behind."""
    missing = tmp_path / "missing.csv"
    bank.refused("file-unreadable", "account", "import", missing, status=2)
    bank.refused("file-unreadable", "cut", "load", missing, status=2)
    bank.refused("file-unreadable", "mandate", "import", missing, status=2)
    bank.refused("cannot-write", "account", "export", tmp_path / "no" / "such.csv", status=3)
    bank.refused("wrong-usage", "account", "export", "-", status=2)
    assert not list(tmp_path.iterdir())


def test_mandates_are_imported(bank: Kanjo, tmp_path: Path) -> None:
    """They count from the date after the current one."""
    file = tmp_path / "mandates.csv"
    file.write_text(f"originator,customer,account\n1234567890,17,{A}\n1234567890,18,{B}\n", "utf-8")

    loaded = bank.json("mandate", "import", file)

    assert (loaded["originators"], loaded["mandates"], loaded["from_date"]) == (1, 2, "2026-08-25")
    assert "2026-08-25" in bank("mandate", "import", file).out


def test_a_link_or_a_device_is_written_not_replaced(bank: Kanjo, tmp_path: Path) -> None:
    """`--out /dev/stdout` must not take the device's place, nor a link's: what it leads to is written."""
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    link.symlink_to(real)
    assert bank("account", "export", link).status == 0
    assert link.is_symlink()
    assert real.read_text(encoding="utf-8").startswith("account,product,")
    assert bank("account", "export", "/dev/null").status == 0
    assert Path("/dev/null").is_char_device()


def test_an_export_is_utf_8_whatever_the_terminal_speaks(bank: Kanjo, tmp_path: Path) -> None:
    """The same bytes on standard output as in a file."""
    bank("account", "export", tmp_path / "accounts.csv")
    text = bank("account", "export", "-", PYTHONIOENCODING="ascii").out
    assert text == (tmp_path / "accounts.csv").read_text(encoding="utf-8")
