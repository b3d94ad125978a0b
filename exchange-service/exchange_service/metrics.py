"""What the exchange tells Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

COMMANDS = Counter(
    "taonet_exchange_commands_total", "Commands the engine took.", ["command", "outcome"]
)
TRADES = Counter("taonet_exchange_trades_total", "Trades.")
VOLUME_TAO = Counter("taonet_exchange_volume_tao_total", "TAO traded.")
OPEN_ORDERS = Gauge("taonet_exchange_open_orders", "Orders in the book.")
BEST_BID_BTC = Gauge("taonet_exchange_best_bid_btc", "Best bid, BTC per TAO; 0: none.")
BEST_ASK_BTC = Gauge("taonet_exchange_best_ask_btc", "Best ask, BTC per TAO; 0: none.")
LAST_PRICE_BTC = Gauge("taonet_exchange_last_price_btc", "Price of the last trade, BTC per TAO.")
QUEUE = Gauge("taonet_exchange_engine_queue_commands", "Commands waiting for the engine.")
BATCH = Histogram(
    "taonet_exchange_batch_commands",
    "Commands committed at once.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
COMMIT_SECONDS = Histogram(
    "taonet_exchange_commit_seconds",
    "Time to make a batch durable.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5),
)
SNAPSHOT_SECONDS = Histogram(
    "taonet_exchange_snapshot_seconds",
    "Time to write the whole state down; nothing is traded meanwhile.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
RECOVERY_SECONDS = Gauge("taonet_exchange_recovery_seconds", "Time the last recovery took.")
RECOVERED = Gauge("taonet_exchange_recovered_commands", "Journal rows the last recovery replayed.")
AUDIT_FAULTS = Gauge("taonet_exchange_audit_faults", "Invariants that do not hold; 0 is well.")
INVARIANT_HOLDS = Gauge(
    "taonet_exchange_invariant_holds", "1 while the invariant holds.", ["invariant"]
)
INVARIANT_CHECKED = Gauge(
    "taonet_exchange_invariant_checked_entries",
    "Journal entry up to which the invariant was checked.",
    ["invariant"],
)
CHAIN_HEIGHT = Gauge("taonet_exchange_chain_height", "Next block to look through for deposits.")
BITCOIN_HEIGHT = Gauge("taonet_exchange_bitcoin_height", "Last block of Bitcoin booked.")
BITCOIN_MISSING = Gauge(
    "taonet_exchange_bitcoin_coins_missing", "Credited coins that are in no block; 0 is well."
)
RESERVE_MARGIN_SAT = Gauge(
    "taonet_exchange_reserve_margin_satoshi", "Bitcoin held, less what users are owed."
)
RESERVE_MARGIN_RAO = Gauge(
    "taonet_exchange_reserve_margin_rao", "TAO held on chain, less what users are owed."
)
RESERVE_TIME = Gauge(
    "taonet_exchange_reserve_timestamp_seconds", "When the reserves were last measured."
)
STREAM_SUBSCRIBERS = Gauge("taonet_exchange_stream_subscribers", "Open WebSocket connections.")
STREAM_MESSAGES = Counter(
    "taonet_exchange_stream_messages_total", "Messages given to subscribers of market streams."
)
STREAM_CUT = Counter(
    "taonet_exchange_stream_cut_total", "Subscribers cut off because they read too slowly."
)
