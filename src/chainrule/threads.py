"""A lock, and what each thread has of its own: all of `threading` that a start needs, without loading the rest."""

from __future__ import annotations

import _thread

Local = _thread._local
Lock = _thread.allocate_lock
RLock = _thread.RLock
