"""Rules on the edge: authorizers, throttles, CORS and access logs of APIs."""
