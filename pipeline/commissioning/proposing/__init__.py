"""What `init` proposes: from the messages that were heard to the sources of a first configuration. Pure.

In the order in which they build on one another: `kinds` says what each payload is, `heard` which topics there are,
`groups` which of them one source can describe (`spread`: over several levels) and `levels` what their levels name;
`shapes`, `envelopes` and `formats` how their payloads can be read, `clocks` and `stamps` where their time is. `draft`
tries all ways with the service's own decoder (`trial`), and adds `states` and `no_measurement`. `proposals` puts it
together, `yaml_text` writes it down. A proposal is for a person to read: what is a guess says so.
"""

from pipeline.commissioning.proposing.proposals import Proposal, Proposed, propose
from pipeline.commissioning.proposing.trial import in_words
from pipeline.commissioning.proposing.yaml_text import as_yaml

__all__ = ["Proposal", "Proposed", "as_yaml", "in_words", "propose"]
