"""What the states of the machines are called in front of people.

States that pass at once are not named; several that make up one step have the same title.
"""

from collections.abc import Mapping

RETRAIN: Mapping[str, str] = {
    "Read Request": "Looking at what is there",
    "Let Others Show": "Looking at what is there",
    "Generate Lists": "Listing the labelled photos",
    "Train": "Training",
    "Prepare Pictures": "Preparing the held-out photos",
    "Predict": "Asking the new model, and the one in production",
    "Evaluate": "Evaluating",
    "Register": "Registering the version",
}

_CLEARING = "Clearing away an old staging endpoint"
_STAGING = "Starting a staging endpoint"
_BROKEN = "Deleting the broken endpoint"
_PRODUCTION = "Bringing it to production"

PROMOTE: Mapping[str, str] = {
    "Read Request": "Looking at what is there",
    "Let Others Show": "Looking at what is there",
    "Clear Staging": _CLEARING,
    "Wait Until Cleared": _CLEARING,
    "Create Staging": _STAGING,
    "Wait For Staging": _STAGING,
    "Smoke Test": "Smoke test in staging",
    "Ask A Person": "Waiting for a person's answer",
    "Free Staging": _PRODUCTION,
    "Create Config": _PRODUCTION,
    "Wait For Quiet": "Waiting until production can be changed",
    "Delete Broken Endpoint": _BROKEN,
    "Wait Until Deleted": _BROKEN,
    "Create Endpoint": _PRODUCTION,
    "Update Endpoint": _PRODUCTION,
    "Wait For Production": _PRODUCTION,
    "Delete Staging": "Deleting the staging endpoint",
}
