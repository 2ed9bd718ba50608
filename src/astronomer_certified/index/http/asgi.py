"""`astronomer_certified.index.http.asgi:application`: the index for an ASGI server of the operator's choice.

What it serves is in the environment; see `app.from_environment`.
"""

from __future__ import annotations

import os

from .app import from_environment

application = from_environment(os.environ)
