"""What a workload asks of its data: the real set, or its stand-in where that is allowed."""

import numpy

from edgebench.errors import DataError, WrongDataError

_SYNTHETIC_SEED = 20190802


class Job:
    """The data side of one run.

    dataset, profile, sizes (Sizes), options: of the run. data_mode: "auto" or
    "synthetic". input_mode: "auto" or one of inputs.choose_multi_hot. finder: a
    sources.Finder. After ``read``, ``described`` holds the record's data part
    and ``warnings`` what a person should know. ``input_kinds``: the
    input modes that the same samples could be fed by, told by who makes them.
    """

    def __init__(self, dataset, profile, sizes, options, data_mode, input_mode, finder):
        self.dataset = dataset
        self.profile = profile
        self.sizes = sizes
        self.options = options
        self.input_mode = input_mode
        self.input_kinds = ()
        self.warnings = []
        self.described = {
            "name": dataset,
            "source": None,
            "synthetic": None,
            "sha256": None,
            "note": None,
            "input": None,
        }
        self._data_mode = data_mode
        self._finder = finder

    def read(self, load, synthesise):
        """Return ``load(found)`` of the real data, or ``synthesise(random)`` where that was asked for or has to do.

        A stand-in has to do in the quick profile alone, and the record says
        why. Raises DataError when there is no real data for another profile,
        and WrongDataError when what was given is the wrong data.
        """
        if self._data_mode == "synthetic":
            return self._stand_in(synthesise, "synthetic data was requested")
        try:
            found = self._finder.find(self.dataset)
        except WrongDataError:
            raise
        except DataError as error:
            if self.profile != "quick":
                raise
            return self._stand_in(synthesise, str(error))
        finally:
            self.warnings += [each for each in self._finder.warnings if each not in self.warnings]
        values = load(found)
        self.described.update(source=found.source, synthetic=False, sha256=found.sha256)
        return values

    def _stand_in(self, synthesise, why):
        self.described.update(source="synthetic", synthetic=True, note=why)
        return synthesise(numpy.random.RandomState(_SYNTHETIC_SEED))
