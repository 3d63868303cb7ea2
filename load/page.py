"""The results as docs/load.md shows them: a table and the pictures, made of what runs have left."""

from pathlib import Path

from load.picture import draw
from load.profiles import PROFILES
from load.record import Record, broken, read
from mlops.files import write_file

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "load/results"
PICTURES = ROOT / "docs/load"
PAGE = ROOT / "docs/load.md"
BEGIN, END = "<!-- results: make writes them -->\n", "<!-- end of results -->\n"


def file_of(target: str, profile: str) -> Path:
    return RESULTS / f"{target}-{profile}.json"


def write() -> None:
    """Write pictures and table of all runs that have results."""
    runs = [
        read(file)
        for target, profiles in PROFILES.items()
        for profile in profiles
        if (file := file_of(target, profile)).exists()
    ]
    PICTURES.mkdir(exist_ok=True)
    for run in runs:
        seconds = PROFILES[run.target][run.profile].seconds
        write_file(PICTURES / f"{run.target}-{run.profile}.svg", draw(run, seconds))
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    write_file(PAGE, before + BEGIN + results(runs) + END + after)


def results(runs: list[Record]) -> str:
    table = [
        "| on | profile | requests | errors | p50 | p95 | p99 | slowest | memory | kept"
        " | when | commit |",
        "| --- | --- | --: | --: | --: | --: | --: | --: | --: | --- | --- | --- |",
        *map(_row, runs),
    ]
    pictures = [
        f"![Load on the {run.target}, {run.profile}](load/{run.target}-{run.profile}.svg)\n"
        for run in runs
    ]
    machines = sorted({run.machine for run in runs})
    return "\n".join(["", *table, "", f"Measured on: {'; '.join(machines)}.", "", *pictures, ""])


def _row(run: Record) -> str:
    times = (run.p50, run.p95, run.p99, run.slowest)
    growth = run.growth()
    cells = [
        *(run.target, run.profile, f"{run.requests:,}", f"{sum(run.errors.values()):,}"),
        *(f"{value:.1f} ms" for value in times),
        "" if growth is None else f"{growth:+.1%}",
        "no" if broken(run, PROFILES[run.target][run.profile]) else "yes",
        run.date,
        run.commit or "",
    ]
    return f"| {' | '.join(cells)} |"
