"""What the actors need of the world, as protocols. Adapters and the simulation implement them."""
