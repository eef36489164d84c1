"""The report: one page about what was decided in a range of time, that opens offline."""
