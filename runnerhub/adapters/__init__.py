"""Implementations of the ports on real libraries and servers; foreign errors stop here."""
