#!/usr/bin/python
# Copyright the edgebench authors. Licensed under Apache-2.0.
# Documentation only: the action plugin of the same name does the work, on the controller.


DOCUMENTATION = r"""
---
module: edgebench_run
short_description: Run the benchmark on a host and show its progress
description:
  - >-
    Starts the runner by C(EDGEBENCH_HOME/bin/edgebench-detached), so that neither a lost connection nor the end of
    this playbook ends it, and shows the lines of its progress as they come. A run of the same name that is already
    under way is followed, not started twice.
  - >-
    A lost connection is tried again. In difference to C(async), following costs the host no Python process a poll,
    which on a small board would be felt in the timings, and the person sees how far it is.
options:
  home:
    description: The edgebench home, an absolute path on the host.
    type: str
    required: true
  run_id:
    description: Name of the run.
    type: str
    required: true
  arguments:
    description: Arguments of C(edgebench), from C(run) on.
    type: list
    elements: str
    required: true
  limit_s:
    description: Seconds after which the host ends the run as a whole.
    type: int
    required: true
  poll_s:
    description: Seconds between two looks at the progress.
    type: int
    default: 10
  reconnect_s:
    description: Seconds for which a lost connection is tried again.
    type: int
    default: 900
  boots:
    description: >-
      How many times the host resumes the run by itself after a reboot or a power cut, if it has the unit for that.
    type: int
    default: 0
author: The edgebench authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Run the benchmark
  edgebench.edge.edgebench_run:
    home: /home/nano/edgebench
    run_id: 20261121-031355
    arguments: [run, --run-id, 20261121-031355]
    limit_s: 7200
"""

RETURN = r"""
started:
  description: Whether a run was started; false where one was followed that had been under way.
  type: bool
  returned: success
exit_code:
  description: >-
    Exit code of the runner, 137 where it was killed; null where the run ended without one (all of it was killed, or the
    power went).
  type: int
  returned: success
progress:
  description: The last lines of the progress.
  type: list
  returned: success
"""
