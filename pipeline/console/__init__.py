"""The console: a page and an HTTP API, served by the service itself, on loopback unless told.

It shows what the networks say and passes on what a person answers. It never touches them: questions and commands are
put to the main thread, which takes them between two batches, and what has just been scored comes by a listener. So a
page that is open in a hundred browsers, or one that hangs, changes no score and holds up no reading; all it may take
has a bound. The only part that imports Starlette, uvicorn and the Prometheus client.
"""

from pipeline.console.backend import Backend, Status
from pipeline.console.door import token_of
from pipeline.console.safe_mode import serve_problems, serve_setup
from pipeline.console.server import Server
from pipeline.console.setup import Changing

__all__ = ["Backend", "Changing", "Server", "Status", "serve_problems", "serve_setup", "token_of"]
