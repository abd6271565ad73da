"""Notifications: who is told of an incident, a silence, or the service's own trouble, and when.

Point -> News -> Item -> Message. `news.py` reads what was committed, `policy.py` decides what is told when, `text.py`
says it, `channels.py` sends it, `memory.py` keeps what was decided and told, `notifier.py` is the thread in which
this happens, `setup.py` makes all of it from the configuration.
"""
