"""The few kinds of panels that the dashboards are made of, so that like things look alike."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    AnnotationQuery,
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    VariableRefresh,
)
from grafana_foundation_sdk.models.dashboard import Panel as BuiltPanel
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from monitoring.dashboards.queries import CHOSEN, WINDOW

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
POSTGRES = "grafana-postgresql-datasource"
DATABASE = DataSourceRef(type_val=POSTGRES, uid="${database}")
TAG = "taonet"
COLUMNS = 24
STAT_HEIGHT, GRAPH_HEIGHT = 4, 8
EVENTS = {
    "Halvings": ("purple", f"changes(taonet_chain_era{{{CHOSEN}}}[{WINDOW}]) > 0"),
    "Leader changes": (
        "orange",
        f"changes(taonet_chain_author_terms_total{{{CHOSEN}}}[{WINDOW}]) > 0",
    ),
    "Deployments": (
        "blue",
        f'changes(process_start_time_seconds{{job="taonet",{CHOSEN}}}[{WINDOW}]) > 0',
    ),
}
"""What every dashboard marks in its graphs: colour, and when."""

Panel = Builder[BuiltPanel]
Row = tuple[str, Sequence[Panel]]
Thing = TypeVar("Thing")


class Sql(Dataquery):
    """A question to Postgres. The SDK has no class for it; this is the plugin's own JSON."""

    def __init__(self, statement: str) -> None:
        self.statement = statement

    def to_json(self) -> dict[str, object]:
        return {
            "datasource": DATABASE,
            "editorMode": "code",
            "format": "table",
            "rawQuery": True,
            "rawSql": self.statement,
            "refId": "A",
        }


class Made(Builder[Thing]):
    """What is built already."""

    def __init__(self, thing: Thing) -> None:
        self.thing = thing

    def build(self) -> Thing:
        return self.thing


def board(uid: str, title: str, description: str, rows: Sequence[Row]) -> dashboard.Dashboard:
    """Return a dashboard with what all of them have: sources, processes, links, events."""
    made = (
        dashboard.Dashboard(title)
        .uid(f"taonet-{uid}")
        .description(description)
        .tags([TAG])
        .time("now-30m", "now")
        .refresh("5s")
        .timezone("utc")
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").type("prometheus"))
        .with_variable(dashboard.DatasourceVariable("database").type(POSTGRES))
        .with_variable(_process_variable())
        .annotations([_event(name, *event) for name, event in EVENTS.items()])
        .link(
            dashboard.DashboardLink("Taonet")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .keep_time(True)
            .include_vars(True)
        )
    )
    for name, panels in rows:
        made = made.with_row(dashboard.Row(name))
        for panel in panels:
            made = made.with_panel(panel)
    return made


def figure(title: str, description: str, unit: str, query: str) -> Panel:
    """Return one number, with the line of its past behind it."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(SOURCE)
        .graph_mode(BigValueGraphMode.AREA)
        .height(STAT_HEIGHT)
        .span(COLUMNS // 4)
        .with_target(_query(query, ""))
    )


def graph(title: str, description: str, unit: str, queries: Mapping[str, str]) -> Panel:
    """Return lines over time; `queries` are PromQL by the text of their legend."""
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST)
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(SOURCE)
        .fill_opacity(8)
        .line_width(1.5)
        .height(GRAPH_HEIGHT)
        .span(COLUMNS // 2)
        .legend(legend.placement(LegendPlacement.BOTTOM).show_legend(True))
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )
    for text, query in queries.items():
        panel = panel.with_target(_query(query, text))
    return panel


def exact(title: str, description: str, unit: str, statement: str) -> Panel:
    """Return one number that Postgres knows to the last rao."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(DATABASE)
        .graph_mode(BigValueGraphMode.NONE)
        .height(STAT_HEIGHT)
        .span(COLUMNS // 4)
        .with_target(Made[Dataquery](Sql(statement)))
    )


def rows_of(
    title: str, description: str, statement: str, *, unit: str = "none", span: int = 2
) -> Panel:
    """Return a table from Postgres, a column for each of the statement's; 1/span of the width."""
    return (
        table.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .datasource(DATABASE)
        .height(GRAPH_HEIGHT)
        .span(COLUMNS // span)
        .with_target(Made[Dataquery](Sql(statement)))
    )


def _query(expression: str, legend: str) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .expr(expression)
        .legend_format(legend)
        .format(PromQueryFormat.TIME_SERIES)
        .datasource(SOURCE)
    )


def _event(name: str, colour: str, expression: str) -> Builder[AnnotationQuery]:
    return Made(AnnotationQuery(name=name, datasource=SOURCE, icon_color=colour, expr=expression))


def _process_variable() -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable("process")
        .label("Process")
        .datasource(SOURCE)
        .query('label_values(up{job="taonet"}, process)')
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(True)
        .all_value(".*")
        .multi(True)
    )
