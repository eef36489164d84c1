"""Model versions of a deployed stack: registry, promotion, retraining, threshold and drift."""
