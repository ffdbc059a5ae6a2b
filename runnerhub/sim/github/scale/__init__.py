"""The scale-set service: scale sets, their sessions, their message queues.

sets        the model: routing jobs to scale sets, sessions, messages
messages    what a message says of a job
routes      its doors
"""
