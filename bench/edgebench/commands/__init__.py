"""The commands, one module each: ``add(commands)`` declares it, and its function runs it and returns the exit code."""
