"""Keyword spotting, the benchmark kws01 of MLPerf Tiny: inputs, models, engines, scoring, and the device."""
