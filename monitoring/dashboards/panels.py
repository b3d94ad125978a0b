"""The few kinds of panels that the dashboards are made of, so that like things look alike."""

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    VariableRefresh,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "taonet"
COLUMNS = 24
STAT_HEIGHT, GRAPH_HEIGHT = 4, 8


def board(uid: str, title: str, description: str) -> dashboard.Dashboard:
    """Return an empty dashboard with what all of them have: data source, process, links."""
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .time("now-30m", "now")
        .refresh("5s")
        .timezone("utc")
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").type("prometheus"))
        .with_variable(_process_variable())
        .link(
            dashboard.DashboardLink("Taonet")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .keep_time(True)
            .include_vars(True)
        )
    )


def figure(title: str, description: str, unit: str, query: str) -> stat.Panel:
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


def graph(title: str, description: str, unit: str, queries: dict[str, str]) -> timeseries.Panel:
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
        .min(0)
        .height(GRAPH_HEIGHT)
        .span(COLUMNS // 2)
        .legend(legend.placement(LegendPlacement.BOTTOM).show_legend(True))
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )
    for text, query in queries.items():
        panel = panel.with_target(_query(query, text))
    return panel


def _query(expression: str, legend: str) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .expr(expression)
        .legend_format(legend)
        .format(PromQueryFormat.TIME_SERIES)
        .datasource(SOURCE)
    )


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
