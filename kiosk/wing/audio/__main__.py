"""Make what the kiosk says aloud; see `kiosk.wing.audio.make`."""

import sys

from kiosk.wing.audio.make import main

sys.exit(main())
