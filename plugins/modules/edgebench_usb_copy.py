#!/usr/bin/python
# Copyright the edgebench authors. Licensed under Apache-2.0.
# Documentation only: the action plugin of the same name does the work, on the controller.


DOCUMENTATION = r"""
---
module: edgebench_usb_copy
short_description: Copy a board's system to its USB disk and show the progress
description:
  - >-
    Starts C(edgebench-usb-root copy) on the board as a unit of systemd, so that a lost connection does not end it, and
    shows how far it is. A copy that is under way is followed. One that was interrupted goes on where it stopped.
options:
  script:
    description: The board's C(edgebench-usb-root).
    type: path
    default: /usr/local/sbin/edgebench-usb-root
  poll_s:
    description: Seconds between two looks.
    type: int
    default: 5
  say_s:
    description: Seconds between two lines of progress.
    type: int
    default: 30
  reconnect_s:
    description: Seconds for which a lost connection is tried again.
    type: int
    default: 300
author: The edgebench authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Copy the system
  edgebench.edge.edgebench_usb_copy:
  become: true
"""

RETURN = r"""
progress:
  description: The last line of the progress.
  type: str
  returned: success
"""
