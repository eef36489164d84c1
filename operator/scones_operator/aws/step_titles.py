"""What the states of the machines are called in front of people.

States that pass at once are not named; several that make up one step have the same title.
"""

from collections.abc import Mapping

RETRAIN_TITLES: Mapping[str, str] = {
    "Read Request": "Checking for running executions",
    "Let Others Show": "Checking for running executions",
    "Generate Lists": "Listing the labeled photos",
    "Train": "Training",
    "Prepare Pictures": "Preparing the validation images",
    "Predict": "Running batch transforms",
    "Evaluate": "Evaluating",
    "Register": "Registering the model version",
}

_CLEARING = "Deleting an old staging endpoint"
_STAGING = "Creating a staging endpoint"
_BROKEN = "Deleting the failed endpoint"
_PRODUCTION = "Deploying to production"

PROMOTE_TITLES: Mapping[str, str] = {
    "Read Request": "Checking for running executions",
    "Let Others Show": "Checking for running executions",
    "Clear Staging": _CLEARING,
    "Wait Until Cleared": _CLEARING,
    "Create Staging": _STAGING,
    "Wait For Staging": _STAGING,
    "Smoke Test": "Smoke test in staging",
    "Ask A Person": "Waiting for approval",
    "Free Staging": _PRODUCTION,
    "Create Config": _PRODUCTION,
    "Wait For Quiet": "Waiting until production can be updated",
    "Delete Broken Endpoint": _BROKEN,
    "Wait Until Deleted": _BROKEN,
    "Create Endpoint": _PRODUCTION,
    "Update Endpoint": _PRODUCTION,
    "Wait For Production": _PRODUCTION,
    "Delete Staging": "Deleting the staging endpoint",
}
