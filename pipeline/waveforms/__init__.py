"""Blocks of samples of a vibration, sound, current or strain sensor become the features of condition monitoring.

Pure: arrays in, numbers out. `samples` reads blocks, `analysis` measures one; both the decoder of MQTT payloads and
the reader of files use them. `spectrum`, `statistics` and `bearing` hold the equations with their sources. Only
`spectrum` needs scipy, which is the extra `waveform`; so whoever imports `analysis` does it where a waveform is
configured.
"""
