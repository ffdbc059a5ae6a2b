"""The composition root: settings in, a running node out."""

from runnerhub.service.demo import demo
from runnerhub.service.doctor import doctor
from runnerhub.service.reaping import Leftover, reap
from runnerhub.service.run import serve

__all__ = ["Leftover", "demo", "doctor", "reap", "serve"]
