"""The operator's page: what is decided, what waits for a person, and the models.

It runs on the operator's own machine with the operator's own credentials, and answers that machine
alone.
"""
