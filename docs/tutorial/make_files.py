"""Write the tutorial's files anew: `python docs/tutorial/make_files.py FOLDER`.

Seven accounts, a payroll for five people and the month's electricity for four of them and one more. Bank 9999 and
bank 9998 are codes that no bank bears.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from kanjo.formats import zengin

BANK, OTHER_BANK = 9999, 9998

ACCOUNTS = """\
account,product,balance,floor,status,name_kana
001-1-1000001,ordinary,3000,0,open,ｱｵｷ ﾊﾅ
001-1-1000002,ordinary,12000,0,open,ﾜﾀﾅﾍﾞ ｹﾝ
002-1-1000003,ordinary,500,0,open,ﾓﾘ ﾕｷ
002-1-1000004,ordinary,80000,0,frozen,ｵﾀﾞ ﾄｵﾙ
003-1-1000005,ordinary,2000,0,open,ｾｷ ﾏﾘ
001-2-9000001,current,5000000,0,open,ｶ)ｱｻﾋｺｳｷﾞﾖｳ
002-2-9000002,current,0,0,open,ﾐﾅﾄﾃﾞﾝｷ(ｶ
"""

# bank, branch, account, name, amount in yen; the last one banks elsewhere
SALARIES = [
    (BANK, 1, 1_000_001, "ｱｵｷ ﾊﾅ", 248_000),
    (BANK, 1, 1_000_002, "ﾜﾀﾅﾍﾞ ｹﾝ", 312_000),
    (BANK, 2, 1_000_003, "ﾓﾘ ﾕｷ", 198_000),
    (BANK, 2, 1_000_004, "ｵﾀﾞ ﾄｵﾙ", 205_000),
    (OTHER_BANK, 7, 1_000_077, "ﾄﾅﾘ ﾏﾁｺ", 260_000),
]
BILLS = [
    (BANK, 1, 1_000_001, "ｱｵｷ ﾊﾅ", 8_420),
    (BANK, 1, 1_000_002, "ﾜﾀﾅﾍﾞ ｹﾝ", 12_600),
    (BANK, 2, 1_000_003, "ﾓﾘ ﾕｷ", 6_910),
    (BANK, 2, 1_000_004, "ｵﾀﾞ ﾄｵﾙ", 7_350),
    (BANK, 3, 1_000_005, "ｾｷ ﾏﾘ", 15_300),
]


def write_files(folder: Path) -> None:
    """Write accounts.csv, payroll.txt and debit.txt, all for 25 August."""
    folder.joinpath("accounts.csv").write_bytes(ACCOUNTS.encode())
    employer = zengin.compose_header(
        "11",
        originator="0000000001",
        originator_name="ｱｻﾋｺｳｷﾞﾖｳ",
        month=8,
        day=25,
        bank=BANK,
        branch=1,
        deposit_type=2,
        account=9_000_001,
    )
    utility = zengin.compose_header(
        "91",
        originator="0000000002",
        originator_name="ﾐﾅﾄﾃﾞﾝｷ(ｶ",
        month=8,
        day=25,
        bank=BANK,
        branch=2,
        deposit_type=2,
        account=9_000_002,
    )
    _write(folder / "payroll.txt", employer, SALARIES)
    _write(folder / "debit.txt", utility, BILLS)


def _write(path: Path, header: zengin.Header, rows: list[tuple[int, int, int, str, int]]) -> None:
    banks, branches, accounts, names, amounts_yen = zip(*rows, strict=True)
    records = zengin.compose(
        header.kind,
        bank=banks,
        branch=branches,
        deposit_type=1,
        account=accounts,
        amount_yen=amounts_yen,
        name=names,
        customer=np.arange(1, len(rows) + 1),
    )
    with path.open("wb") as stream:
        writer = zengin.Writer(stream)
        writer.header(header)
        writer.records(records)
        writer.trailer()
        writer.end()


if __name__ == "__main__":
    write_files(Path(sys.argv[1]))
