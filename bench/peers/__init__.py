"""The same two tasks by different means: to tell, and to ask.

Every module has `tells(count)`, one sender that sends so many messages to one receiver through a
mailbox of `CAPACITY`, and `asks(count, askers)`, so many answered questions of so many askers at
once. Both begin and end with nothing running.
"""

CAPACITY = 1000
