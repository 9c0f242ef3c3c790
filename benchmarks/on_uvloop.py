"""`python -m benchmarks.on_uvloop [flags]`: our server on uvloop's event loop."""

import sys

import uvloop

from wyoming_fish.__main__ import main

uvloop.install()
sys.exit(main())
