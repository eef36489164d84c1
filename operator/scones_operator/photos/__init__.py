"""Photos of a deployed stack: uploads, results, history, redrive and simulation."""
