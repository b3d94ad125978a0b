"""PromQL's recurring forms: every query keeps to the chosen processes, and rates fit the zoom."""

WINDOW = "$__rate_interval"
CHOSEN = 'process=~"$process"'


def now(metric: str, *matchers: str) -> str:
    """Return a metric's present values: `now("up", 'job="taonet"')`."""
    return f"{metric}{{{','.join((CHOSEN, *matchers))}}}"


def rate(metric: str, *matchers: str) -> str:
    """Return by how much a counter grows each second."""
    return f"rate({now(metric, *matchers)}[{WINDOW}])"


def quantile(share: float, histogram: str, *matchers: str, by: str = "") -> str:
    """Return the value that this share of the histogram's observations keep below."""
    labels = f"le, {by}" if by else "le"
    counts = rate(f"{histogram}_bucket", *matchers)
    return f"histogram_quantile({share}, sum by ({labels}) ({counts}))"


def mean(histogram: str, by: str, *matchers: str) -> str:
    """Return the mean of what a histogram observed in the window."""
    total, count = (rate(f"{histogram}_{part}", *matchers) for part in ("sum", "count"))
    return f"sum by ({by}) ({total}) / sum by ({by}) ({count})"


def named(expression: str) -> str:
    """Join a neuron's name to a series that has its uid."""
    info = "taonet_neuron_info"
    return f"({expression}) * on (uid) group_left (name) max by (uid, name) ({now(info)})"


def tao(amount_rao: str, digits: int = 4) -> str:
    """Return SQL that gives an amount of rao in TAO, rounded."""
    return f"round({amount_rao} / 1e9, {digits})"
