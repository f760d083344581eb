"""Where things are (``places``) and what the gateway does (``settings``). Only here is the environment read."""

from crossover.config.places import SETTINGS, Paths, api_key, colour_wanted, debug, environment, hub_token, paths

__all__ = ["SETTINGS", "Paths", "api_key", "colour_wanted", "debug", "environment", "hub_token", "paths"]
