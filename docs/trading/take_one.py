"""A strategy to try a connection by: buy once, keep a stop on the exchange."""

from freqtrade.strategy import IStrategy
from pandas import DataFrame


class TakeOne(IStrategy):
    """Enters at once, sells only by its stop."""

    timeframe = "1m"
    stoploss = -0.08
    minimal_roi = {"0": 10}
    startup_candle_count = 1
    process_only_new_candles = False
    order_types = {
        "entry": "limit",
        "exit": "limit",
        "stoploss": "limit",
        "stoploss_on_exchange": True,
        "stoploss_on_exchange_interval": 10,
    }

    def populate_indicators(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        return dataframe

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        dataframe["enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        return dataframe
