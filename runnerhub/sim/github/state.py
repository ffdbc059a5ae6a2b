"""All that the simulated GitHub knows, put together."""

from runnerhub.sim.github.access import Access
from runnerhub.sim.github.core import Core
from runnerhub.sim.github.fleet import Fleet
from runnerhub.sim.github.hooks import Hooks
from runnerhub.sim.github.limits import Limits
from runnerhub.sim.github.places import Places
from runnerhub.sim.github.registration import Registration
from runnerhub.sim.github.scale.sets import ScaleSets
from runnerhub.sim.github.work import Work


class State:
    """The parts, by what they are about."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.places = Places(core)
        self.access = Access(core, self.places)
        self.limits = Limits(core, self.places, self.access)
        self.fleet = Fleet(core, self.places)
        self.work = Work(core, self.places, self.fleet)
        self.hooks = Hooks(core, self.access)
        self.registration = Registration(core)
        self.scale_sets = ScaleSets(core, self.places, self.fleet, self.work)
        self.work.listeners += [self.scale_sets, self.hooks]
