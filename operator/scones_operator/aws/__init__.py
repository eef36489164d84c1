"""Sessions, the deployed stack, its state machines and its template, for all other packages."""
