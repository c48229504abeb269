"""Keyword spotting of MLPerf Tiny: models, engines, scoring, timing, and the device that hosts drive."""
