"""`python -m bootgrant.configurations.worker SOCKET NOTES`, two descriptors, as the server starts it."""

import socket
import sys

from bootgrant.configurations.notes import Notes
from bootgrant.configurations.worker.guard import ProcessGuard, lock_up
from bootgrant.configurations.worker.serving import channel_on, serve

channel = channel_on(socket.socket(fileno=int(sys.argv[1])))
notes = Notes(int(sys.argv[2]))
lock_up()
serve(channel, ProcessGuard(channel, notes))
