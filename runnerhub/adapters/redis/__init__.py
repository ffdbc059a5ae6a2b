"""The queue in Redis, by redis-py."""

from runnerhub.adapters.redis.queue import RedisQueue

__all__ = ["RedisQueue"]
