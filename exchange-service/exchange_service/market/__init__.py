"""Prices, depth, trades and candles: what everybody may ask."""
