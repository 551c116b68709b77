"""The table: medians of the rounds, ratios to the best peer, and what the aim says to that."""
import statistics


def show(value):
    """Three digits that mean something, or all before the point."""
    if abs(value) >= 100 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def median(rounds):
    """Median figure and last note of what the rounds gave for a row."""
    figures = [given if isinstance(given, tuple) else (given, "") for given in rounds]
    return statistics.median(figure for figure, _ in figures), figures[-1][1]


class Table:
    def __init__(self, contenders):
        self.contenders = contenders

    def head(self):
        titles = [f"{contender.title} {contender.version}".strip() for contender in self.contenders]
        columns = ["scenario", "unit", *titles, "x best peer", "aim", "met", "other load"]
        return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}"

    def line(self, row):
        """The Markdown of one row as `Results.rows` makes it."""
        cells = []
        for contender in self.contenders:
            cell = row["contenders"].get(contender.name, {})
            text = "error" if "error" in cell else show(cell["figure"]) if cell else ""
            cells.append(f"{text} ({cell['note']})" if cell.get("note") else text)
        ratio = "" if row["of_best"] is None else show(row["of_best"])
        other = "" if row["other"] is None else format(row["other"], ".0%")
        met = {True: "yes", False: "no", None: ""}[row["met"]]
        return f"| {' | '.join([row['title'], row['unit'], *cells, ratio, row['aim'], met, other])} |"


def results(scenario, rounds, errors, notes, other):
    """The rows of a scenario, for the table and as JSON. `rounds` has by contender what its rounds gave."""
    rows = []
    for row in scenario.rows:
        cells = {name: {"error": text} for name, text in errors.items()}
        for name, given in rounds.items():
            if name not in errors and given:
                figure, note = median([one[row.key] for one in given])
                cells[name] = {"figure": figure, "note": note or notes.get(name, ""), "rounds": [figure_of(one[row.key]) for one in given]}
        ratio = of_best(cells, row.more_is_better)
        rows.append({
            "scenario": scenario.name, "row": row.key, "title": row.title, "unit": row.unit, "contenders": cells, "of_best": ratio,
            "aim": aim(row), "met": is_met(row, cells.get("vouchsafe", {}), ratio), "other": other,
        })
    return rows


def figure_of(given):
    return given[0] if isinstance(given, tuple) else given


def of_best(cells, more_is_better):
    """Our figure as a multiple of the best peer's that did the same work."""
    own = cells.get("vouchsafe", {}).get("figure")
    peers = [cell["figure"] for name, cell in cells.items()
             if name not in ("vouchsafe", "bare") and cell.get("figure") and "anew" not in cell["note"] and "missing" not in cell["note"]]
    if own is None or not peers:
        return None
    return own / (max(peers) if more_is_better else min(peers))


def aim(row):
    """An aim in words."""
    parts = []
    if row.limit is not None:
        parts.append(f"{'at least' if row.more_is_better else 'at most'} {row.limit:,}")
    if row.of_best is not None:
        parts.append(f"at most {row.of_best} x best peer")
    return ", ".join(parts)


def is_met(row, cell, ratio):
    """Whether the aim is met; none where there is none or where nothing was measured."""
    if "figure" not in cell or (row.limit is None and row.of_best is None):
        return False if "error" in cell else None
    is_within = row.limit is None or (cell["figure"] >= row.limit if row.more_is_better else cell["figure"] <= row.limit)
    return is_within and (row.of_best is None or ratio is None or ratio <= row.of_best)
