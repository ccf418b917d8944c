"""Builds everything from the settings: `build.build` wires what the daemon, the commands and the tests stand on."""
