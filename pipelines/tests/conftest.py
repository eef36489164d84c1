"""Settings of all tests: the SDK is imported as the commands import it."""

from scones_pipelines.session import OFFLINE_REGION, prepare_offline_environment

prepare_offline_environment(OFFLINE_REGION)
