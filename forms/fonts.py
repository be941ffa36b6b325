"""The fonts that paper is made with: ours, and none of the machine's.

What a machine has installed would otherwise decide which font a sign is drawn with that two of
them hold, and paper made on two machines would differ.
"""

from __future__ import annotations

import os
import threading
from importlib import resources

from weasyprint.text.fonts import FontConfiguration  # type: ignore[import-untyped]

_FILE = "FONTCONFIG_FILE"
_turn = threading.Lock()


def our_fonts() -> FontConfiguration:
    """Give WeasyPrint the fonts in `assets/fonts` alone."""
    ours = resources.files("forms") / "assets" / "fonts" / "fonts.conf"
    with _turn, resources.as_file(ours) as file:
        before = os.environ.get(_FILE)
        # Fontconfig is told by the environment alone, which it asks while it loads.
        os.environ[_FILE] = str(file)
        try:
            return FontConfiguration()
        finally:
            if before is None:
                del os.environ[_FILE]
            else:
                os.environ[_FILE] = before
