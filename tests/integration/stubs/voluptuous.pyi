# Home Assistant puts probatio in voluptuous' place, and its functions are typed with it.
from probatio import *  # noqa: F403
