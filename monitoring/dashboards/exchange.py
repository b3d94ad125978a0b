"""Exchange: the market, its engine, and whether all coins are there."""

from grafana_foundation_sdk.builders.dashboard import Dashboard
from monitoring.dashboards.panels import Panel, board, exact, figure, graph, rows_of
from monitoring.dashboards.queries import mean, now, quantile, rate, tao

COMMANDS, COMMIT = "taonet_exchange_commands_total", "taonet_exchange_commit_seconds"
BID, ASK = "taonet_exchange_best_bid_btc", "taonet_exchange_best_ask_btc"
WITHDRAWALS, MARGIN = "taonet_exchange_withdrawals", "taonet_exchange_reserve_margin"
DOOR = 'route="/api/v3/order"'


def build() -> Dashboard:
    return board(
        "exchange",
        "Exchange",
        "The market for TAO in BTC, the engine's pace, and whether what users own is there.",
        [("Market", _market()), ("Engine", _engine()), ("Funds", _funds())],
    )


def _market() -> list[Panel]:
    spread = f"max({now(ASK)}) - max({now(BID)})"
    return [
        figure(
            "Last price",
            "taonet_exchange_last_price_btc; 0 is none, and left out.",
            "suffix: BTC",
            f"max({now('taonet_exchange_last_price_btc')}) > 0",
        ),
        figure(
            "Spread",
            f"{ASK} less {BID}, of the ask.",
            "percentunit",
            f"({spread}) / max({now(ASK)})",
        ),
        exact(
            "Volume",
            "trade.quantity_rao, exact: of the last 24 hours.",
            "suffix: TAO",
            "SELECT coalesce(sum(quantity_rao), 0) / 1e9 AS tao FROM exchange.trade "
            "WHERE time_ms > extract(epoch FROM now() - interval '24 hours') * 1000",
        ),
        figure(
            "Open orders",
            "taonet_exchange_open_orders: in the book.",
            "locale",
            f"max({now('taonet_exchange_open_orders')})",
        ),
        graph(
            "Best bid and ask",
            f"{BID}, {ASK}; 0 is none, and left out.",
            "suffix: BTC",
            {"bid": f"max({now(BID)}) > 0", "ask": f"max({now(ASK)}) > 0"},
        ),
        graph(
            "Depth",
            "taonet_exchange_depth_rao: within 2 % of the middle.",
            "suffix: TAO",
            {"{{side}}": f"max by (side) ({now('taonet_exchange_depth_rao')}) / 1e9"},
        ),
        graph(
            "Trades",
            "taonet_exchange_trades_total: each second.",
            "cps",
            {"trades": f"sum({rate('taonet_exchange_trades_total')})"},
        ),
        rows_of(
            "Newest trades",
            "trade, exact: the fifty newest.",
            "SELECT trade_id AS trade, to_timestamp(time_ms / 1000.0) AS time, "
            f'price_sat / 1e8 AS "price, BTC", {tao("quantity_rao")} AS "amount, TAO", '
            "taker_side AS taker FROM exchange.trade ORDER BY trade_id DESC LIMIT 50",
            unit="locale",
        ),
    ]


def _engine() -> list[Panel]:
    orders = "taonet_http_request_seconds"
    return [
        graph(
            "Commands",
            f"{COMMANDS}: each second, by outcome.",
            "cps",
            {"{{command}} {{outcome}}": f"sum by (command, outcome) ({rate(COMMANDS)})"},
        ),
        graph(
            "Time to the acknowledgement",
            f"{orders}: of orders, durable when answered.",
            "s",
            {
                "half": quantile(0.5, orders, DOOR),
                "99 of 100": quantile(0.99, orders, DOOR),
            },
        ),
        graph(
            "Time of a commit",
            f"{COMMIT}.",
            "s",
            {"half": quantile(0.5, COMMIT), "99 of 100": quantile(0.99, COMMIT)},
        ),
        graph(
            "Commands of a commit",
            "taonet_exchange_batch_commands: mean.",
            "short",
            {"{{process}}": mean("taonet_exchange_batch_commands", "process")},
        ),
        graph(
            "Lag",
            "taonet_exchange_engine_queue_commands, taonet_exchange_history_lag_trades.",
            "short",
            {
                "commands waiting": f"max({now('taonet_exchange_engine_queue_commands')})",
                "trades in no candle": f"max({now('taonet_exchange_history_lag_trades')})",
            },
        ),
        graph(
            "Silence",
            "taonet_exchange_engine_silence_seconds: since the engine wrote.",
            "s",
            {"engine": f"max({now('taonet_exchange_engine_silence_seconds')})"},
        ),
    ]


def _funds() -> list[Panel]:
    return [
        figure(
            "Reserve margin, TAO",
            f"{MARGIN}_rao: held on chain, less what users are owed; never below 0.",
            "suffix: TAO",
            f"min({now(f'{MARGIN}_rao')}) / 1e9",
        ),
        figure(
            "Reserve margin, BTC",
            f"{MARGIN}_satoshi: held in Bitcoin, less what users are owed; never below 0.",
            "suffix: BTC",
            f"min({now(f'{MARGIN}_satoshi')}) / 1e8",
        ),
        figure(
            "Invariants broken",
            "taonet_exchange_invariant_holds: how many do not hold; 0 is well.",
            "short",
            f"sum(1 - {now('taonet_exchange_invariant_holds')})",
        ),
        exact(
            "Owed to users",
            "balance, exact: TAO of all users.",
            "suffix: TAO",
            "SELECT coalesce(sum(free_rao + locked_rao), 0) / 1e9 AS tao "
            "FROM exchange.balance WHERE account_id >= 1000",
        ),
        graph(
            "Deposits",
            "taonet_exchange_deposits_total: credited, of all time.",
            "short",
            {"{{asset}}": f"max by (asset) ({now('taonet_exchange_deposits_total')})"},
        ),
        graph(
            "Withdrawals",
            "taonet_exchange_withdrawals: by state.",
            "short",
            {"{{asset}} {{state}}": f"max by (asset, state) ({now(WITHDRAWALS)})"},
        ),
    ]
