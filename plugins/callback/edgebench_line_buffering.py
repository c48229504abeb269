# Copyright the edgebench authors. Licensed under Apache-2.0.
"""Writes every line of a playbook at once."""

from __future__ import annotations

import io
import sys

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: edgebench_line_buffering
type: aggregate
short_description: Write every line at once
description:
  - >-
    ansible-core does not flush what it prints, so that a pipe, a file or nohup shows the progress of a benchmark
    minutes late. This callback makes standard output line-buffered; it prints nothing itself.
requirements:
  - enable in ansible.cfg, callbacks_enabled
author: The edgebench authors
"""


class CallbackModule(CallbackBase):
    """Makes standard output line-buffered when it is loaded, in the process that prints."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "edgebench_line_buffering"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)
