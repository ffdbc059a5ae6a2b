"""The console: look inside a running node, and steer it, from a terminal on the same machine.

    server side                                     client side
    door      an actor: the socket and its guests   client    speaks the protocol, blocking
    session   one guest: requests in, answers out   show      answers as text for people
    desk      what commands may use of the node
    watching  tree, top, names                      folding   a large tree for people
    closely   actor, trace                          steering  restart, drain

    both sides
    protocol  one JSON object a line                grammar   which commands there are

Nothing here runs while nobody is attached. While somebody is, work on many actors is cut into
slices; a guest that stalls is let go; and no answer is larger than its bound.
"""
