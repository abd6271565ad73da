"""The network on a microcontroller: its block, what a device needs around it, and the way back."""
