"""The parts of bench/compare: servers, runs, plots, the report. Standard library only."""
