"""How the world comes in: routes, who may call them, and how often."""
