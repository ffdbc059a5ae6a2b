"""A simulated GitHub: REST, webhooks, just-in-time runners, scale sets; stateful, over real HTTP.

serving     run it within the process, or over TCP
state       all parts together; core: clock, ids, faults, agenda
places      accounts, repositories, enterprises, runner groups
fleet       runners        work    runs and jobs        hooks   webhooks and deliveries
access      credentials    limits  rate limits          faults  what goes wrong
http/       connections, routes, and the rules that every request is under
rest/       GitHub's REST API, in the shapes of shapes/
scale/      the scale-set service
control/    the control API below /_sim/, and what a simulated runner speaks
"""
