"""What may be said to a machine, in words. Apart from what does it: `--help` lists it and waits for nothing."""

VERBS = {
    "normal": "the present behaviour is fine: the alarm and its incident end, and it is normal from here on",
    "repaired": "maintenance is done: the machine learns from scratch, and its old baseline is kept",
    "rollback": "restore the baseline from before the repair or import",
    "freeze": "stop learning",
    "resume": "start learning again",
    "ack": "acknowledge the open incident: someone is working on it",
    "snooze": "acknowledge for a limited time: snooze 2h",
    "label": "name what the incident was: label bearing",
    "import": "go on with what a microcontroller has learned; what is known here is kept, as for repaired",
}
ARGUMENTS = {
    "snooze": "a duration, such as 2h",
    "label": "the class, such as bearing",
    "import": "the device's block in base64; `spikewatch import` sends a file",
}
