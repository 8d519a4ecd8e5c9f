"""HTTP: the event of a request, the response to it, and the body it must hold."""
