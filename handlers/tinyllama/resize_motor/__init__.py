"""The function that goes on with a resize whose steps somebody has to take later."""
