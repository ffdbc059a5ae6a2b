"""Things of the simulated GitHub as the JSON that GitHub makes of them."""
