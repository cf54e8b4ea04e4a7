"""The lineage as a picture: where each system prompt stands, in which colour, and the chart that shows it. No Streamlit in here.

Roots stand at the left, children one column further right than their furthest parent. Colour is gain, area is trials.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from data.identity import short
from ui.views import Node, RunView
from ui.web.markup import clipped, escaped, signed

LOSS = ("#8c510a", "#bf812d", "#dfc27d", "#f6e8c3")
NEUTRAL = "#eef0f2"
GAIN = ("#c7eae5", "#80cdc1", "#35978f", "#01665e")
"""Brown to teal, told apart also by people who see no red or green (ColorBrewer's BrBG)."""
SCALE = (*LOSS, NEUTRAL, *GAIN)
UNMEASURED = "#ffffff"
LEAST_RANGE = 0.1
"""The scale ends at least this far from 0: smaller differences are noise, and should look like it."""
INK = "#1f2a37"
LINE = "#b6c0cb"
WINNING_LINE = "#01665e"
WINNER = "#d97706"
CROWDED = 18
"""From so many nodes on, only roots, the winner and the selected one carry their gain."""
ROW_HEIGHT = 30
HEIGHTS = (340, 500)


@dataclass(frozen=True, slots=True)
class Place:
    """Column (0 holds the roots) and row; rows are real numbers, at least 1 apart within a column."""

    column: int
    row: float


def places(nodes: Sequence[Node]) -> dict[str, Place]:
    """A place for every node, by id. Nodes come parents first, as they were born. The first parent decides the row."""
    columns: dict[str, int] = {}
    children: dict[str, list[str]] = defaultdict(list)
    roots: list[str] = []
    for node in nodes:
        parents = [parent for parent in node.parents if parent in columns]
        columns[node.id] = 1 + max((columns[parent] for parent in parents), default=-1)
        (children[parents[0]] if parents else roots).append(node.id)
    rows: dict[str, float] = {}
    bottom: dict[int, float] = {}
    for root in roots:
        _settle(_branch(root, columns, children), rows, bottom)
    return {node.id: Place(columns[node.id], rows[node.id]) for node in nodes}


@dataclass(slots=True)
class _Branch:
    """A node with its descendants: rows relative to the node, and the outermost ones by column."""

    rows: dict[str, float]
    top: dict[int, float]
    bottom: dict[int, float]


def _branch(node: str, columns: Mapping[str, int], children: Mapping[str, Sequence[str]]) -> _Branch:
    rows: dict[str, float] = {}
    bottom: dict[int, float] = {}
    offsets = [_settle(_branch(child, columns, children), rows, bottom) for child in children.get(node, ())]
    middle = (offsets[0] + offsets[-1]) / 2 if offsets else 0.0
    rows = {identifier: row - middle for identifier, row in rows.items()} | {node: 0.0}
    branch = _Branch(rows, {}, {})
    for identifier, row in rows.items():
        column = columns[identifier]
        branch.top[column] = min(row, branch.top.get(column, row))
        branch.bottom[column] = max(row, branch.bottom.get(column, row))
    return branch


def _settle(branch: _Branch, rows: dict[str, float], bottom: dict[int, float]) -> float:
    """Puts ``branch`` below what is there, as high as it fits; returns the row of its first node."""
    first, last = min(branch.top), max(branch.top)
    # Between the outermost columns of a branch there are lines, also where it has no node: nothing may stand in their way.
    taken = [row for column, row in bottom.items() if first <= column <= last]
    offset = max((row + 1 - min(branch.top.values()) for row in taken), default=0.0)
    meeting = [bottom[column] + 1 - row for column, row in branch.top.items() if column in bottom]
    if meeting and len(meeting) == len(taken):
        offset = max(meeting)
    for identifier, row in branch.rows.items():
        rows[identifier] = row + offset
    for column, row in branch.bottom.items():
        bottom[column] = max(row + offset, bottom.get(column, -math.inf))
    return offset


def reference(view: RunView) -> Node:
    """The root that the run's claim refers to, where it is one; else the first: what gains are counted from."""
    name = view.config.get("run", {}).get("reference")
    return next((node for node in view.nodes if not node.parents and node.system_prompt.name == name), view.nodes[0])


def rebased(view: RunView) -> RunView:
    """``view`` with gains over its reference: over a weak first root all would look alike, and nothing like the claim."""
    base = reference(view).mean if view.nodes else None
    if base is None:
        return view
    return replace(view, nodes=tuple(replace(node, gain=None if node.mean is None else node.mean - base) for node in view.nodes))


def gain_range(nodes: Sequence[Node]) -> float:
    """How far the colour scale reaches to either side of 0: as far as the best gain, so that one bad node does not pale all others."""
    gains = [node.gain for node in nodes if node.gain is not None]
    best = max(gains, default=0.0)
    return max(LEAST_RANGE, best) if best > 0 else max([LEAST_RANGE, *map(abs, gains)])


def gain_color(gain: float | None, reach: float) -> str:
    """The colour of a gain on the diverging scale that ends at ±``reach``."""
    if gain is None:
        return UNMEASURED
    position = (max(-1.0, min(1.0, gain / reach)) + 1) / 2 * (len(SCALE) - 1)
    low = min(int(position), len(SCALE) - 2)
    share = position - low
    mixed = (round(a + (b - a) * share) for a, b in zip(_rgb(SCALE[low]), _rgb(SCALE[low + 1]), strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def chart_height(nodes: Sequence[Node]) -> int:
    """Pixels that give every row its room, within reason."""
    rows = [spot.row for spot in places(nodes).values()]
    wanted = ROW_HEIGHT * (max(rows) - min(rows) + 3) if rows else 0
    return int(max(HEIGHTS[0], min(HEIGHTS[1], wanted)))


def title(node: Node) -> str:
    """What people call a node: a root's name, else its short id."""
    return node.system_prompt.name if node.system_prompt.name and not node.parents else short(node.id)


def winning_line(view: RunView) -> frozenset[str]:
    """The winner and its ancestors by first parents."""
    by_id = {node.id: node for node in view.nodes}
    line: list[str] = []
    current = view.winner
    while current in by_id:
        line.append(current)
        current = next(iter(by_id[current].parents), None)
    return frozenset(line)


def chart(view: RunView, selected: str) -> dict[str, Any]:
    """The ECharts option of the lineage: one graph series whose ``data`` has the order of ``view.nodes``."""
    spots = places(view.nodes)
    reach = gain_range(view.nodes)
    line = winning_line(view)
    most = max((node.trials for node in view.nodes), default=0)
    columns = max((spot.column for spot in spots.values()), default=0)
    rows = [spot.row for spot in spots.values()] or [0.0]
    return {
        "animation": False,
        "grid": {"left": 70, "right": 64, "top": 20, "bottom": 12},
        "xAxis": {"type": "value", "show": False, "min": 0, "max": max(columns, 1)},
        "yAxis": {"type": "value", "show": False, "inverse": True, "min": min(rows) - 0.6, "max": max(rows) + 0.6},
        "dataZoom": [
            {"type": "inside", "xAxisIndex": 0, "filterMode": "none", "minSpan": 15},
            {"type": "inside", "yAxisIndex": 0, "filterMode": "none", "minSpan": 15},
        ],
        "tooltip": {
            "show": True,
            "confine": True,
            "enterable": False,
            "borderWidth": 1,
            "padding": [10, 12],
            "extraCssText": "max-width:340px;white-space:normal;line-height:1.4;box-shadow:0 4px 16px rgba(0,0,0,.12);",
        },
        "series": [
            {
                "id": "lineage",
                "name": "lineage",
                "type": "graph",
                "coordinateSystem": "cartesian2d",
                "selectedMode": "single",
                "cursor": "pointer",
                "data": [_dot(node, spots[node.id], columns, view, selected, reach, most) for node in view.nodes],
                "links": _links(view, line, spots),
                "emphasis": {"scale": 1.15, "focus": "adjacency", "lineStyle": {"width": 2.5}},
                "blur": {"itemStyle": {"opacity": 0.45}, "lineStyle": {"opacity": 0.25}, "label": {"opacity": 0.6}},
            }
        ],
    }


def _dot(node: Node, spot: Place, last: int, view: RunView, selected: str, reach: float, most: int) -> dict[str, Any]:
    is_selected, is_winner = node.id == selected, node.id == view.winner
    style = {
        "color": gain_color(node.gain, reach),
        "borderColor": INK if is_selected else WINNER if is_winner else "#7b8794",
        "borderWidth": 3 if is_selected else 2.5 if is_winner else 1,
        "borderType": "dashed" if node.gain is None else "solid",
    }
    # Beside a dot of the last column a label would be cut off, and beside one with children it would cover them.
    is_leaf = all(node.id not in other.parents for other in view.nodes)
    side = "left" if not node.parents else "right" if is_leaf and spot.column < last else "top"
    return {
        "id": node.id,
        "name": short(node.id),
        "value": [spot.column, spot.row],
        "symbol": "circle",
        "symbolSize": round(11 + 15 * math.sqrt(node.trials / most), 1) if most else 12,
        "itemStyle": style,
        # Which node is selected is the page's to say: clicks elsewhere, such as on a parent's name, select as well.
        "select": {"itemStyle": style},
        "label": _label(node, side, is_selected, is_winner, len(view.nodes) >= CROWDED),
        "tooltip": {"formatter": tooltip(node, is_winner)},
    }


def _label(node: Node, place: str, is_selected: bool, is_winner: bool, crowded: bool) -> dict[str, Any]:
    named = is_selected or is_winner or not node.parents
    gain = "" if node.gain is None or not node.parents else signed(node.gain, 2)
    text = " ".join(filter(None, ["★" if is_winner else "", title(node), gain])) if named else "" if crowded else gain
    return {
        "show": bool(text),
        "formatter": text.replace("{", "(").replace("}", ")"),
        "position": place,
        "distance": 6,
        "color": INK if named else "#6b7785",
        "fontSize": 12 if named else 10,
        "fontWeight": 600 if is_winner or is_selected else 400,
        "textBorderColor": "#ffffff",
        "textBorderWidth": 3,
    }


def _links(view: RunView, line: frozenset[str], spots: Mapping[str, Place]) -> list[dict[str, Any]]:
    order = {node.id: index for index, node in enumerate(view.nodes)}
    links: list[dict[str, Any]] = []
    for node in view.nodes:
        for place, parent in enumerate(parent for parent in node.parents if parent in order):
            winning = place == 0 and node.id in line and parent in line
            links.append(
                {
                    "source": order[parent],
                    "target": order[node.id],
                    "lineStyle": {
                        "color": WINNING_LINE if winning else LINE,
                        "width": 2.5 if winning else 1.2,
                        "type": "dashed" if place else "solid",
                        "opacity": 1.0 if winning else 0.8,
                        "curveness": 0.0 if spots[parent].row == spots[node.id].row else 0.08,
                    },
                    # Only dots answer to the mouse.
                    "emphasis": {"disabled": True},
                    "select": {"disabled": True},
                    "tooltip": {"show": False},
                }
            )
    return links


def tooltip(node: Node, is_winner: bool = False) -> str:
    """What hovering over a node says, as HTML. ECharts fills in braces, so that those of the text are written as entities."""
    head = f"<b>{escaped(title(node))}</b> · {escaped(node.operation)}" + (" · ★ winner" if is_winner else "")
    if node.gain is None or node.sd is None:
        figures = f"not measured yet · {node.trials} trials"
    else:
        chance = "" if node.p_best is None else f"P(best) {percent(node.p_best)} · "
        figures = f"gain <b>{signed(node.gain, 3)}</b> ± {node.sd:.3f}<br>{chance}{node.trials} {'trial' if node.trials == 1 else 'trials'}"
    words = clipped(" ".join(node.system_prompt.text.split()), 140)
    text = f'{head}<br>{figures}<br><span style="opacity:.75"><i>{escaped(words)}</i></span>'
    return text.replace("{", "&#123;").replace("}", "&#125;")


def percent(share: float) -> str:
    """A probability as people read it."""
    if 0 < share < 0.01:
        return "under 1 %"
    return f"{share:.0%}".replace("%", " %")
