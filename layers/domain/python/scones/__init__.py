"""The domain: photos, decisions, reviews, datasets, evaluation and drift, as AWS runs it."""
