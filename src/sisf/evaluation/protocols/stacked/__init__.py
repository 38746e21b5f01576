"""Behind another guard: what is added to it."""
