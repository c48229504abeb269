#!/usr/bin/python
# Copyright the edgebench authors. Licensed under Apache-2.0.
# Documentation only: the action plugin of the same name does the work, on the controller.


DOCUMENTATION = r"""
---
module: edgebench_collect
short_description: Fetch the records, series of telemetry and logs of a host
description:
  - >-
    Brings what the host has of its runs to the controller, whether they have ended or not. Files that the controller
    holds already are not sent again; the others come in pieces of a few megabytes, checked by SHA-256. Every file is
    written whole or not at all. Records on the controller are only ever added to.
  - >-
    Reads by commands on the host, not by SFTP, so that C(become) reaches files that the connecting user may not read.
  - >-
    A host is not trusted with the controller. Names and sizes are checked before anything is fetched; of files larger
    than any that the runner writes the records are refused and the others left out with a warning; nothing is unpacked
    beyond the size that was announced; what it says is shown without control characters.
  - >-
    Series of telemetry are bound as logs are. What is longer here than on the host, and begins alike, is kept.
  - In check mode, reads and compares, and writes nothing.
options:
  home:
    description: The edgebench home, an absolute path on the host.
    type: str
    required: true
  run_ids:
    description: The runs to fetch; empty, all that the host has.
    type: list
    elements: str
    default: []
  dest:
    description: The folder of the results on the controller.
    type: path
    required: true
author: The edgebench authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Fetch all runs
  edgebench.edge.edgebench_collect:
    home: /home/nano/edgebench
    dest: results
"""

RETURN = r"""
runs:
  description: >-
    One entry a run, with C(run_id), C(state) (C(running), C(resuming), C(exit-CODE), C(lost) or C(none)), C(records),
    the number of run records, C(not_ok), one line for every run whose newest attempt is not ok, and C(disturbed), one
    for every run whose newest attempt is ok and was disturbed.
  type: list
  elements: dict
  returned: success
files:
  description: The files that were new or had grown, relative to the folder of the results.
  type: list
  elements: str
  returned: success
"""
