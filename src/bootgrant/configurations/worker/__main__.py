"""`python -m bootgrant.configurations.worker SOCKET NOTES`, two descriptors, as the server starts it."""

import gc
import socket
import sys

from bootgrant.configurations.notes import Notes
from bootgrant.configurations.worker.guard import ProcessGuard, lock_up
from bootgrant.configurations.worker.serving import channel_on, serve

# Reading a file makes many objects and hardly a cycle: looking for cycles as often as usual costs a third of the time.
gc.set_threshold(200_000, 50, 100)
channel = channel_on(socket.socket(fileno=int(sys.argv[1])))
notes = Notes(int(sys.argv[2]))
lock_up()
serve(channel, ProcessGuard(channel, notes))
