"""What holds for all documents: links lead somewhere, and nothing in them belongs to one machine only."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from kanjo import check, demo
from kanjo.cli.bench import NAMES, SITES_NAMES
from kanjo.demo.banking_day import Cut, CutPoint, Online

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]*`")
IGNORED = {".venv", ".git", "node_modules", ".pytest_cache", ".hypothesis"}

REGISTRY = re.compile(
    r"pypi\.|pythonhosted|/simple/|index-url|(?:docker|quay|ghcr)\.io|npmjs|artifactory|nexus|devpi|registry\.", re.I
)
HERE_ONLY = re.compile(r"/(?:home|Users|work|tmp|mnt|data/\w+)/[\w.-]+|\b(?:10|192\.168|172\.1[6-9])\.\d+\.\d+")
DECISION = re.compile(r"^\d{4}-[a-z0-9-]+\.md$")


def documents() -> Iterator[Path]:
    """Every Markdown file of the project."""
    for path in sorted(ROOT.rglob("*.md")):
        if not IGNORED.intersection(path.relative_to(ROOT).parts):
            yield path


def anchors_in(path: Path) -> set[str]:
    """The anchors that a Markdown viewer makes of the headings."""
    headings = HEADING.findall(FENCED.sub("", path.read_text("utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


DOCUMENTS = [pytest.param(path, id=str(path.relative_to(ROOT))) for path in documents()]


@pytest.mark.parametrize("path", DOCUMENTS)
def test_relative_links_resolve(path: Path) -> None:
    """Every link to a file or a heading of the project leads to one."""
    text = INLINE_CODE.sub("", FENCED.sub("", path.read_text("utf-8")))
    broken = []
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        found = (path.parent / name).resolve() if name else path
        if not found.exists() or (anchor and found.suffix == ".md" and anchor not in anchors_in(found)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("path", DOCUMENTS)
def test_nothing_belongs_to_one_machine_or_network(path: Path) -> None:
    """No document names the host of a package registry or an absolute path of somebody's machine."""
    text = path.read_text("utf-8")
    assert [found.group() for found in REGISTRY.finditer(text)] == []
    assert [found.group() for found in HERE_ONLY.finditer(text)] == []


def test_the_index_lists_every_document() -> None:
    """docs/index.md has a link to each document under docs/."""
    index = ROOT / "docs" / "index.md"
    listed = {(index.parent / target.partition("#")[0]).resolve() for target in LINK.findall(index.read_text("utf-8"))}
    missing = [path for path in documents() if path.is_relative_to(index.parent) and path not in listed | {index}]
    assert missing == []


def test_decisions_are_numbered_without_gaps_and_say_all_four_things() -> None:
    """A decision record has its number in name and title, a context, a choice, what else there was, a consequence."""
    records = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    for path in records:
        text = path.read_text("utf-8")
        assert DECISION.match(path.name) and text.startswith(f"# {path.name[:4]} ")
        parts = re.findall(r"^\*\*(.+?)\.\*\*", text, re.MULTILINE)
        assert parts in (
            ["Context", "Choice", "What else was tried", "Consequence"],
            ["Context", "Choice", "What else was considered", "Consequence"],
        ), path.name


def test_the_changelog_names_the_version_of_the_package() -> None:
    """A released version stands in the changelog, below what is not released yet."""
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased" and headings[1].split()[0] == version("kanjo")


def test_the_two_commands_of_the_readme_exist() -> None:
    """`make demo` and `make test` are what README.md says they are: targets of the Makefile."""
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("demo", "test"):
        assert re.search(rf"^  make {target}\b", listed, re.MULTILINE)
        assert re.search(rf"^make {target}\b", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)


def test_the_picture_is_drawn_from_a_report(tmp_path: Path) -> None:
    """docs/make_picture.py draws both charts of a report as SVG, and says so when there are none."""
    report = tmp_path / "report.html"
    demo.write_report(small_day(), report)
    script = runpy.run_path(str(ROOT / "docs" / "make_picture.py"))
    picture = script["picture_of"](report.read_text("utf-8"))
    assert picture.startswith("<svg") and all(title in picture for title in script["TITLES"].values())
    with pytest.raises(ValueError, match=r"found \[\]"):
        script["charts_in"]("<html></html>")


def small_day() -> demo.Figures:
    """Figures of a day nobody lived."""
    return demo.Figures(
        accounts=100,
        items=160,
        settled_by_before=10,
        online=Online(
            before_p99_ms=1.0,
            date_open_p99_ms=2.0,
            during_p99_ms=3.0,
            after_p99_ms=None,
            transactions=4,
            refused=0,
            failed=0,
            per_s=1.0,
        ),
        cut=Cut(seconds=1.0, items_per_s=150.0, accepted=160, refused=0),
        check=check.Proof(ok=True, laws=()),
        marks_s={"before": 0.0, "date open": 1.0, "cut": 2.0, "after": 3.0, "end": 4.0},
        waits=[(0.5, [1000, 1200]), (1.5, [2000]), (2.5, [3000])],
        cut_points=[CutPoint(1.5, 10, 10), CutPoint(2.9, 160, 10)],
        plan=demo.DayPlan(accounts=100),
    )


def test_the_figures_shown_are_those_that_a_run_kept() -> None:
    """Each table of figures is written from the file beside it, every bench in it."""
    module = runpy.run_path(str(ROOT / "docs" / "show_figures.py"))
    for figures, path in module["PAGES"].items():
        kept = json.loads(figures.read_text("utf-8"))
        text = path.read_text("utf-8")

        assert module["page"](text, kept) == text
        assert tuple(figure["bench"] for figure in kept["benches"]) in (tuple(NAMES), tuple(SITES_NAMES))


def test_the_readmes_tell_the_same_figures() -> None:
    """In both languages: whoever measures anew writes them anew."""
    module = runpy.run_path(str(ROOT / "docs" / "show_figures.py"))
    kept = json.loads((ROOT / "docs" / "figures" / "bench.json").read_text("utf-8"))
    for path, told in module["READMES"].items():
        text = path.read_text("utf-8")

        assert text.count(told.format(**{figure["bench"]: figure for figure in kept["benches"]})) == 1
        assert module["readme"](text, told, kept) == text


def test_the_silences_are_drawn_from_the_same_figures() -> None:
    """docs/draw_silences.py draws a panel for each outage, as it is kept."""
    module = runpy.run_path(str(ROOT / "docs" / "draw_silences.py"))

    picture = module["picture"](json.loads(module["FIGURES"].read_text("utf-8")))

    assert picture == module["PICTURE"].read_text("utf-8") and picture.count("answers</text>") == 5
