"""A first configuration, step by step: broker, what is heard there, what is known of it, database.

`draft` is what a person has said so far, and its text (pure); `listening` hears a broker for a while; `wizard`
answers the steps, which the console passes on without knowing them.
"""

from pipeline.commissioning.setup.wizard import Wizard

__all__ = ["Wizard"]
